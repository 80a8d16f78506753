"""Registry, actors and lifecycle of participants: agents with their containers, and peers.

A participant is an inbox, a socket and presence. `peer_actor` is exactly that and has no method
that could act on a container; `agent_actor` owns one. `registry` holds all participants.
`lifecycle` carries out what the operator or the manager asks for, `child_specs` supervises the
actors, `machine_specs` says what a container runs, `reconcile` compares hive.toml and store at
start.
"""
