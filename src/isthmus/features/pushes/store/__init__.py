"""Every statement over edits, pushes and conflicts."""
