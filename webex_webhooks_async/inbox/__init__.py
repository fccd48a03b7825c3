"""Stores what was accepted until it is handled."""
