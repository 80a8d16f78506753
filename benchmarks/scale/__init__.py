"""Start, status and end of a hive with many agents."""
