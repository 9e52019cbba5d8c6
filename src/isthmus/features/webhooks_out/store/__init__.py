"""Every statement of outbound webhooks."""
