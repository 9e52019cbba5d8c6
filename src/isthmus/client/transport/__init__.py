"""Where requests leave: a small port and its adapters."""
