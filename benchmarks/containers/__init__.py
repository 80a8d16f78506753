"""Time until a killed container runs again: hive-c0re and systemd's own `Restart=on-failure`.

Runs in the testbed, as root: `python -m tests.testbed --shell .venv/bin/python -m
benchmarks.containers`. Prints a table in Markdown.
"""
