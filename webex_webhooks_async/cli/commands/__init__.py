"""The commands, one module each: its function `command` has the options and the help text."""
