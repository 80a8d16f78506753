"""The sockets: host.sock, manager.sock and one agents/<name>/mcp.sock for each participant.

`sockets` binds them and accepts connections, `inotify` reports the removal of their files,
`connection` speaks the wire with one client, `reading` and `line_turns` bound what is read and
handled of it at a time, `dispatch` finds the handler of a request, `metering` bounds what a
participant asks for, `late_answers` has the places of answers and the errors, `budget` bounds what
connections hold, `client_process` has the credentials of a client, `socket_file` binds and removes
one socket.
`handlers` has the verbs; `rows` and `streams` make their answers in the form of the wire.
"""
