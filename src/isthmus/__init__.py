"""Isthmus: one self-hosted service that connects a product to its customers' other systems."""

__version__ = "0.1.0"
