"""HTTP transports for `httpx`: how a request reaches the network."""
