"""Time that the harness adds to a turn, compared with the bare SDK."""
