"""Who takes part: agents, whose container hive-c0re owns, and peers, whose life is their own.

A participant is an inbox, a door (its socket) and presence. `peer` is exactly that and has no
method that could act on a container; `agent` adds a life. `roster` knows them all.
"""
