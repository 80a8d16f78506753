"""The harness of an agent or a peer: the programs `hive-ag3nt` and, for the manager, `hive-m1nd`.

`serve` starts the run loop of `runtime`: each `worker` receives messages and has a driver work on
them in turns; `leases` holds the messages of the session, `command` is the driver that starts a
program. `cli` has the command lines. For an interactive session there are `mcp`, which offers the
functions of `tools` to its model, and `hook` and `notifier`, which report unread messages.
"""
