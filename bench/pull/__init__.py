"""The parts of the `sync_pull` benchmark: a shop's API, a connector to it, the worker, and the peer."""
