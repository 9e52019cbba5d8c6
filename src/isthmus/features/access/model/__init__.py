"""What access decides, without I/O: names of tenants, the shape and the reach of API keys."""
