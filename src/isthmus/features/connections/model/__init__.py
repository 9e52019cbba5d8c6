"""What a connection is and how it may change, without I/O; rules of flows, return addresses and token leases."""
