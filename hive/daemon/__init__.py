"""The daemon: a hive with all its rooms in one program.

`hive` starts and stops it, `wiring` constructs its objects, `serve` is the long-running program,
and `lock` allows one per directory.
"""
