"""Serves the sandbox and its page on loopback."""
