"""The daemon: a hive with all its rooms in one program.

`hive` starts and stops it, `wiring` constructs its objects: `runtimes` the runtime that hive.toml
names, `store_actors` the actors that open, close and maintain the store. `serve` is the
long-running program, `ending` its signals and its end, `view_process` its interactive view,
`sd_notify` its messages to systemd. `reloading` applies a changed hive.toml.
"""
