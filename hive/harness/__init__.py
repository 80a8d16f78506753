"""The harness of an agent or a peer: the programs `hive-ag3nt` and, for the manager, `hive-m1nd`.

`serve` makes a harness and runs it in `run_loop`: each `worker` receives messages and has a driver
work on them in turns (`turn`). `driver` is the interface of drivers, and `message_turns` adapts
drivers of single messages to it. `claude` is the driver for Claude Code; `command` starts a program
(see `programs`) for each message and sends its output (see `replies`).

`leases` holds the messages of the session. `control` carries out control orders, `pause` defers
turns, `run_time` limits them, `reporting` sends activity, events and turns to the hive. `cli` has
the command lines, `environment` the variables that configure them.

For an interactive session there are `mcp`, which offers the functions of `tools` to its model, and
`hook` and `notifier`, which report `unread` messages.
"""
