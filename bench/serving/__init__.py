"""A server with a far side of its own, and its peers, for the benchmarks of search, proxy and API."""
