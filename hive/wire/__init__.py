"""The wire: one JSON object per line, both ways, over unix sockets.

`framing` cuts bytes into lines, `codec` turns lines into requests and responses into lines,
`agent`, `manager` and `host` hold the verbs of the three sockets; those of agents about questions
are in `collaboration`, those of a harness in `harness`, the operator's about turns in `oversight`.
`rows` is what responses carry, `words` the closed sets of words in both.
"""
