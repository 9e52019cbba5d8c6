"""The arms of `bench/client.py`: each runs in a process of its own and tells the CPU its calls took."""
