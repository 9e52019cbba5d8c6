"""How records come into the index, and how a search is answered."""
