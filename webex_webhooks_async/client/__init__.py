"""The outgoing wing: calls Webex."""
