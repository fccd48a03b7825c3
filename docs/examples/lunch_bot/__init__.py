"""A whole FastAPI application with a bot: it offers lunch as a card, and confirms orders."""
