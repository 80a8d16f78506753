"""Agents and peers: their registry, their actors, and the lifecycle that the operator controls.

A participant is an inbox, a socket and presence. `PeerActor` is exactly that and has no method that
could act on a container; `AgentActor` owns one. They are in `actor` and `agent_actor`, and
`supervision` starts and ends them. `participant` has the state of one participant, `registry` holds
all. `lifecycle` carries out start, stop and the like, `machine_specs` says what a container runs,
`reconcile` merges hive.toml into the records of the store when the daemon starts, `reload_plan`
plans it for a running one. `machine_gate` holds starts and turns while the machine is short of
something, `start_slots` lets a few agents start at a time (`start_queue` decides which), `freezes`
carries out an emergency stop (its rules are in `freeze_rules`), `strays` handles containers that
others have started, `orderly_stop` stops all agents when the daemon ends.

`adoptions` proposes to make a peer an agent, `moves` carries that out and releases agents,
`renames` gives a participant another name; `moving` has what it is afterwards (pure). `settings`
has the settings that are in force, `manifest_proposal` the manifest of a container that exists
already, `manifest_changes` the differences of two manifests; all three are pure.

`harnesses` takes the reports of the connected harnesses (see `harness_connection`) and gives them
orders; `turn_feed` publishes the live events of a turn, `verdict_watch` judges the turns by the
rules of `verdicts`, `end_causes` finds out why an agent ended, `usage_limits` holds the limits of
accounts, `attachments` holds the turns of an agent while an operator is in it, `system_notices`
sends mail of the daemon to the operator and the manager.
"""
