"""Paddle."""
