"""Every statement over items and links."""
