"""Inbound webhooks: verified, kept before they are answered, and worked off as hints."""
