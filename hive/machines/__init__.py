"""Container runtimes: one interface, and implementations that start and stop agents.

`runtime` is the interface. `process` runs agents as process groups, `systemd` in containers,
`function` as coroutines of this program (for embedding and simulations).
"""
