"""How fast containers come back: hive-c0re beside systemd's own `Restart=on-failure`.

Runs in the testbed, as root: `python -m tests.testbed --shell .venv/bin/python -m
benchmarks.containers`. Prints a table in Markdown.
"""
