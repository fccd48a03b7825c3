"""What a handler of a bot gets, and what it writes with."""
