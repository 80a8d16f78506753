"""Clients of a hive's sockets.

`agent` is for long-running programs on asyncio, `blocking` for one-shot commands, which start fast
because it imports almost nothing. `function_agent` makes an agent of a function. `channel` has the
requests over a reconnecting connection, `responses` the meaning of response lines. `json_rows`
completes what a command line prints as JSON, by the keys in `json_keys`.
"""
