"""Attacks of one hostile participant on a confined daemon, and what the others notice of them.

`values` makes hostile requests from the types in `hive.wire`, `attacks` what is done with them and
`hostile` is the program that does it. `confinement` holds the daemon to its limits, `neighbours`
has the participants who go on working, `measuring` the figures and their bounds. `python -m
tests.adversary` runs every attack for half a minute.
"""
