"""The wire: one JSON object per line, both ways, over unix sockets.

`framing` cuts bytes into lines, `codec` turns lines into requests and responses into lines,
`agent`, `manager` and `host` hold the verbs of the three sockets, `rows` what responses carry.
"""
