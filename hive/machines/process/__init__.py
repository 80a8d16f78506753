"""Agents as process groups of this machine.

`process_runtime` is the runtime; it finds what an earlier daemon started by the files of `runfile`.
`spawn` starts an agent's program, `watch` waits for its end, `reap` collects it and kills the
processes that it leaves behind, `stopped_processes` stops an agent's and lets them go on. `pidfd`
and `procfs` are the kernel's interfaces.
"""
