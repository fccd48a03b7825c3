"""A bot that uses most of what `Bot` offers, with its tests."""
