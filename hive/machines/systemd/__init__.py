"""Agents in containers of systemd: `machinectl` on any systemd host, `nixos-container` on NixOS.

A command is only a request: what counts is the state that systemd and machined show afterwards.

Pure: `unit_state` parses that state, `transitions` has the rules about it, `exit_cause` finds out
why a run ended, `unit_files` generates files. `service_manager` asks systemd, `dbus` receives its
signals (see `event_source`), `journal` reads its logs, `generated_files` writes them.
`container_runtime` is the runtime, with the state in `container` and the requests in `start_stop`;
`machinectl` and `nixos_container` are its backends (see `backend`). `observer` reads units that the
hive does not own.
"""
