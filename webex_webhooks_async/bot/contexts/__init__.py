"""The contexts that handlers of a bot get, and their ways to write."""
