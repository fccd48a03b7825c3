"""An integration for many users: their tokens, their webhooks, and what happens to them."""
