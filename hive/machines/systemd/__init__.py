"""Agents in containers of systemd: `machinectl` on any systemd host, `nixos-container` on NixOS.

A command is only a request: what counts is the state that systemd and machined show afterwards.

Pure: `unit_state` parses that state, `transitions` has the rules about it, `exit_cause` finds out
why a run ended, `unit_files` generates files. `service_manager` asks systemd, `dbus` receives its
signals (see `event_source`), `journal` reads its logs, `timed_journal` with the times of lines;
`container_output` reads what an agent prints by both. `generated_files` and `container_files` write
the files of containers, and `owners` gives files to their users. `console_output` finds the agent's
lines among all on a container's console (pure). `watched_runs` records which run is watched, so
that the next daemon learns of an end meanwhile. `image_copy` verifies copies of images.
`container_runtime` is the runtime, with the state in `container` and the requests in `start_stop`;
`container_freezer` freezes containers.
`machinectl` and `nixos_container` are its backends (see `backend`), and `nixos_rename` renames the
latter's containers. `container_settings` and `nixos_conf` say what an existing container is (pure).
`unwatched` finds containers that others have started, and `restarter_check` what else would start
or restart one. `observer` reads units that the hive does not own.
"""
