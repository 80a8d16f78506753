"""The whole hive in one program.

`hive` puts the rooms together, `serve` is the long-running daemon, `lock` makes sure that there is
only one.
"""
