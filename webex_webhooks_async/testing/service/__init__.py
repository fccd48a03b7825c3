"""The simulated Webex: one module per part of its API, above what the parts share."""
