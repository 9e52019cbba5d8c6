"""Edits, and the rules by which two sides are brought together."""
