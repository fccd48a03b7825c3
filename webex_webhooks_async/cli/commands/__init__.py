"""The commands: functions that have the options, and whose docstrings are the help texts."""
