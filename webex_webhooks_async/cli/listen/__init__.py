"""What receives for a command: the relay, webhooks for a while, and the tunnel."""
