"""What the harness adds to a turn, beside the bare SDK."""
