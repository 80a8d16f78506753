"""The operator's view of the hive: status rows, the supervision tree, agents' output, events.

`snapshot` has the rows and the tree, `machine_logs` the output, `timeline_pages` all that happened
to a participant, its output included; `tiers` has the order of rows,
`row_facts` collects what they have besides the state: `day_usage` counts tokens and cost,
`resource_samples` reads memory and processors. `overview` is the whole hive in one row.
`actor_events` records events of the actor system as events of the hive, `peer_watch` updates the
observed state of peers, `answer_watch` finds whether an answer to a message can still come, and
`hindrances` why none comes at present.
"""
