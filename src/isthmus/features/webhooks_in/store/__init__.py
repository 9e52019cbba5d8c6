"""All statements over inbound webhooks."""
