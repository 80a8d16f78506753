"""The wire: one JSON object per line, both ways, over unix sockets.

`framing` cuts bytes into lines, `codec` turns lines into requests and responses into lines,
`agent`, `manager` and `host` hold the verbs of the three sockets; those of agents about questions
are in `collaboration`, those of a harness in `harness`, the operator's about turns in `oversight`.
`rows` is what responses carry, `words` the closed sets of words in both. `drivers` and `claude` are
what a manifest may say of a driver, for the daemon and the harness alike.

Here is what programs need that must start fast: to know these numbers costs them no codec.
"""

VERSION = 1
"""Version of the wire; rises only when a field is removed, renamed or retyped."""

WAIT_MAX = 180.0
"""Longest long poll, in seconds."""

SECONDS_MAX = 10 * 365 * 86400.0
"""Ten years, the longest delay: a socket or a sleep cannot take any number."""
