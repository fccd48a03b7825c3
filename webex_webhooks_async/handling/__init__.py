"""Passes what was received to the handlers, once, and records what became of it."""
