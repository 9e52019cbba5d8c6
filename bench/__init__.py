"""One runnable file for each measured promise; see README.md in this folder."""
