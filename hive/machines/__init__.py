"""Container runtimes: one interface, and implementations that start and stop agents.

`runtime` is the interface. `process` runs agents as process groups, `systemd` in containers,
`function` as coroutines of this program (for embedding and simulations). `operations` runs their
operations to the end, `output_log` has the output of agents, `timed_output` the types of lines with
times, `agent_files` handles files that an agent may have put anywhere, `entrance` says where an
operator finds an agent, `pressure` measures how loaded the machine is. `observer` is the read-only
interface to the containers of peers.
"""
