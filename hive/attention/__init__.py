"""Attention: what needs the operator, the operator's marks, and the notices about it.

`items` makes the list from facts (pure), and `attention_list` collects the facts on request.
`marks` has what the operator pinned, archived and snoozed. `notice_rules` decides which program of
`[notices]` is due and what it gets (pure), `notice_commands` runs it, and `notices_actor` has the
timer.
"""
