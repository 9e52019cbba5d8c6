"""One folder per marketplace or provider; found by scanning."""
