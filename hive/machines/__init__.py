"""Container runtimes: one small interface, and behind it what really starts and stops agents.

`runtime` is the interface, `process` runs agents as process groups,
`function` runs them as coroutines of this program (for embedding and simulations).
"""
