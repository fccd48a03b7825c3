"""The incoming wing: what Webex sends is verified, parsed, and handled once."""
