"""The data that travels between Webex and a program, and the words that Webex uses for it."""
