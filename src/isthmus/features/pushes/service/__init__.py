"""Use cases of pushes and conflicts."""
