"""Agents and peers: their registry, their actors, and the lifecycle that the operator controls.

A participant is an inbox, a socket and presence. `PeerActor` is exactly that and has no method
that could act on a container; `AgentActor` owns one. They are in `actor` and `agent_actor`, and
`supervision` starts and ends them. `participant` has the state of one participant, `registry` holds
all. `lifecycle` carries out start, stop and the like, `machine_specs` says what a container runs,
`reconcile` merges hive.toml into the records of the store when the daemon starts.

`harnesses` takes the reports of the connected harnesses (see `harness_connection`) and gives them
orders; `turn_feed` publishes the live events of a turn, `usage_limits` holds the limits of
accounts, `system_notices` sends mail of the daemon to the operator and the manager.
"""
