"""Receives what Webex sends: HTTP in, and what lives as long as a server."""
