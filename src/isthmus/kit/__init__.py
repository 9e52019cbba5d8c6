"""Pure helpers without I/O: the lowest room of the house."""
