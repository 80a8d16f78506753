"""What one message costs the daemon, counted in calls on its loop's thread.

`python -m benchmarks.trace` embeds a hive, drives it over its sockets from another process, and
counts what runs on the loop's thread while a message goes through: functions of ours and of
others, and calls into C. Counts hardly depend on how busy the machine is, so a change shows.

`counting` is the profiler, `peers` the other process, `tracing` what is counted.
"""
