"""Agents and peers: their registry, their actors, and the lifecycle that the operator controls.

A participant is an inbox, a socket and presence. `PeerActor` is exactly that and has no method
that could act on a container; `AgentActor` owns one. `registry` holds all participants,
`lifecycle` carries out start, stop and the like, `supervision` runs the actors, `machine_specs`
says what a container runs, `reconcile` compares hive.toml and store when the daemon starts.
"""
