"""Use cases of the catalog: what merchants may connect, and with which app."""
