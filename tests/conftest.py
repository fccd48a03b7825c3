"""Settings of the whole suite."""

from hypothesis import settings

# A machine under load is slow: time is pytest-timeout's to watch. Hypothesis' own settings for CI,
# which it takes there by itself (the same examples every time), stay in force.
settings.register_profile("unhurried", settings(), deadline=None)
settings.load_profile("unhurried")
