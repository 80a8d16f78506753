"""Delivery benchmarks: the real daemon beside other durable queues, in one run.

`python -m benchmarks.delivery` starts every system that is installed on this machine, drives all of
them with the same load in interleaved rounds, and compares our ratios with the project's targets.

`systems` has one module per kind of system behind two small interfaces, `loads` is what is sent
through them, `measuring` one run, `session` all of them; `disk`, `growth` and `isolation` measure
what only concerns the disk and us. `book` keeps results, `targets` judges them, `report` prints.
"""
