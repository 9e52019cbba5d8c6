"""The schema's history: `versions/NNNN_<room>.py`, one line of numbers, each naming the one before it."""
