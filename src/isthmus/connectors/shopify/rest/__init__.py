"""Shopify by REST, for apps that may not use GraphQL, and for merchants who choose it (marketplaces.md 6.1)."""
