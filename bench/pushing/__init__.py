"""What the benchmark of pushes needs in a process of its own."""
