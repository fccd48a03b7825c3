"""Desired state: make the webhooks match the ones you want."""
