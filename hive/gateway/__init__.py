"""The sockets: host.sock, manager.sock and one agents/<name>/mcp.sock per participant.

`connection` speaks the wire, `listener` binds a socket, `origin` asks the kernel who is there, and
`agent_verbs`, `manager_verbs`, `host_verbs` and what they are made of say what each request means.
"""
