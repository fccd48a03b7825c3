"""The layer to write bots in: it receives notifications, and replies with a client."""
