"""Agents in containers of systemd: `machinectl` on any systemd host, `nixos-container` on NixOS.

Every command is a request: what counts is the state that systemd and machined show afterwards.

Pure: `views` is that state, `states` the rules about it, `causes` why something ended, `units` and
`nixos_conf` the generated files. `commands` runs programs, `host` asks systemd, `bus` hears its
signals, `journal` reads its logs, `files` writes what is generated. `containers` is the runtime
that both tools share, with `starting` and `stopping`; `machinectl` and `nixos_container` are the
tools (see `tool`).
"""
