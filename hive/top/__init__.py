"""The operator's interactive view: what waits for them, who works, and a key for each act.

Everything up to the terminal is pure. `state` has the daemon's last answers (`last_answers`) and
what the operator has chosen, of which `chosen` is what is selected. `picture` renders it as lines
of a given size, made as `look` says: `overviews` is the header, `attention_items` what waits,
`agent_columns` and `agent_table` the participants, `list_views` the other views, `panes` what
covers them. `key_presses` returns the next state and one of the `actions` for each key:
`agent_keys` and `item_keys` those that act, with `key_requests`, `prompts` and `line_editor` those
that are typed; `key_table` has the keys of the footer.
`requests_wanted` says what to ask the daemon for.

`reader` asks, `acting` acts, and `terminal_app` paints, on Textual: no other module imports that.
`snapshots` makes one picture without a terminal.
"""
