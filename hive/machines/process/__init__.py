"""Agents as process groups of this machine.

`process_runtime` is the runtime. `spawn` starts an agent's program, `watch` waits for its end,
`reap` collects it and kills the processes that it leaves behind, `adopt` finds what an earlier
daemon started, by the files of `runfile`. `pidfd` and `procfs` are the kernel's interfaces.
"""
