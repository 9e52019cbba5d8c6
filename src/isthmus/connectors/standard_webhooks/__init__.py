"""Standard Webhooks."""
