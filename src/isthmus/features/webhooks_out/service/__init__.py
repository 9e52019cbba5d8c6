"""Use cases of outbound webhooks."""
