"""Use cases of access: tenants, their API keys, and who is let in by them."""
