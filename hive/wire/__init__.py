"""The wire: one JSON object per line, in both directions, over unix sockets.

`framing` splits bytes into lines, `codec` decodes requests and encodes responses. `agent` has the
requests of a participant's socket and of manager.sock, `host` those of host.sock, `harness` those
of a harness, `attach` those that lead into agents, `timeline_rows` that for what happened;
`change_requests` and `change_rows` have those about approvals, deploys and reloads. `overview_rows`
has the whole hive in one row, `turn_rows` those about turns, `attention` what needs the operator.
`base` has the types of their fields, `enums` their closed sets of words and `rows` the contents of
responses. `question_ends` has the reasons with which messages of questions end, `field_errors`
explains wrong fields. `claude` has the settings that the daemon passes to the Claude Code driver.

This module has the constants that short-lived programs need; it imports no codec.
"""

VERSION = 1
"""Version of the wire; it rises only when a field is removed, renamed or retyped."""

WAIT_MAX = 180.0
"""Longest wait of a long poll, in seconds."""

SECONDS_MAX = 10 * 365 * 86400.0
"""Longest delay, in seconds: ten years. Socket timeouts and sleeps have an upper bound."""
