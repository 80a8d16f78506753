"""The cost of one message to the daemon, counted in calls on its loop's thread.

`python -m benchmarks.trace` embeds a hive, drives it over its sockets from another process, and
counts calls on the loop's thread while a message is delivered: of our functions, of others, and
into C. Counts hardly depend on the load of the machine, so a change is visible.

`counting` is the profiler, `peers` the other process, `tracing` the plan of counts.
"""
