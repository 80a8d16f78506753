"""Rendering for the operator: functions from the rows of the host socket to text.

`urgency` has the order of status rows. `lines` has messages, events, turns and the like as plain
lines, `attention_lines` what needs the operator, `change_lines` approvals, deploys and reloads,
`status_lines` the status; `columns` has the columns of the status table, `text` times in words and
glyphs. `chosen_columns` is the table as an operator has chosen it, `detail_lines` one participant
in detail, `why` the reasons of its state, `timeline_lines` what happened to it. The interactive
view and the dashboard share the order of participants (`places`), their columns (`agent_cells`) and
events as sentences (`event_sentences`).

Rows are the plain dictionaries in the responses of the host socket. No module here imports attrs,
msgspec or asyncio, since most command-line verbs import these modules and must start fast. Only
`table` and `live`, which are for terminals, import rich.
"""
