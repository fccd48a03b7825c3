"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("webex-webhooks-async")
except PackageNotFoundError:  # in a zipapp, say
    __version__ = "unknown"
