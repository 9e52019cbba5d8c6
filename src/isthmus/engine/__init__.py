"""Ports to what keeps state (database, queue, bus, blobs, keys, budgets, ledger) and their adapters."""
