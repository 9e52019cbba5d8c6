"""A file of products on its way into the store."""
