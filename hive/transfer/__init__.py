"""Export and import of a whole hive: its store, its repositories, and a copy of its hive.toml.

`export_hive` writes the directory of an export while the daemon runs, `import_hive` makes a state
directory of one. `archive` has its form: an index, and archives of plain files.
"""
