"""`hive-c0re`: the operator's verbs.

`main` has the table of all verbs and runs a command line: by `quick_verbs`, which reads the usual
lines of the most used verbs, or by `program`, which reads any with click. `requests` sends requests
to the daemon, `output` prints what comes back, `completing` completes command lines. The other
modules have the verbs, one module for each subject; those of `quick_verbs` are functions of
`operator_sending`, `participant_list`, `state_reading` and `inbox_reading`. `attach_verbs` leads
into agents: `entering` has the command lines, `attachment` holds their turns meanwhile,
`terminal_relay` gives them a terminal. `event_following` follows events over restarts of the
daemon. `help_groups` and `verb_examples` are for the help, `json_outputs` says what verbs print as
JSON, and `json_contract` makes the schemas of it.

Each verb is imported when it is invoked, and no verb imports what it does not use: this keeps the
start of the command line fast.
"""
