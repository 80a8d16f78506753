"""Metrics: the numbers by which a hive is monitored, taken together on request.

`families` has all metrics with their names and meanings. `event_counts` and `turn_counts` count
what happens, `loop_lag` measures the event loop. `metrics_source` takes one reading of everything,
with the numbers of `process_numbers` and the store's among them.
"""
