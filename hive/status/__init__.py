"""The operator's view of the hive: status rows, the supervision tree, agents' output, events.

`snapshot` has the rows, the tree and the output. `actor_events` records events of the actor system
as events of the hive, `peer_watch` updates the observed state of peers.
"""
