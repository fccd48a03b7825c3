"""The simulated Webex: one module per part of its API; `shared` holds what they have in common."""
