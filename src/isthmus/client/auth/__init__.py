"""Credentials: policies without I/O, and tokens that are refreshed once."""
