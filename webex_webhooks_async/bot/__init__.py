"""The layer that bots are written in: it receives with one wing, and replies with the other."""
