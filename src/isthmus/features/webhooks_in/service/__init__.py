"""Use cases of inbound webhooks."""
