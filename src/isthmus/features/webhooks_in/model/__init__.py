"""What is decided about deliveries, without any I/O."""
