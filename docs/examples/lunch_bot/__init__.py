"""A complete FastAPI bot: it offers lunch as a card, and confirms what people order."""
