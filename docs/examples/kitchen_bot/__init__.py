"""A whole product for one machine or many: a bot in FastAPI, its tables, and what it calls."""
