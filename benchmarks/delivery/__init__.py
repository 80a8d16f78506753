"""Delivery benchmarks: the real daemon and other durable queues in one run.

`python -m benchmarks.delivery` starts every system that is installed on this machine, drives all of
them with the same load in interleaved rounds, and compares our ratios with the project's targets.

`systems` has one module per kind of system behind two small interfaces, `loads` sends messages
through them, `measuring` is one run, `session` all runs; `disk`, `growth`, `isolation` and `memory`
measure only the disk or our daemon. `book` has the results, `targets` judges them, `report` prints.
"""
