"""What speaks to a hive's sockets.

`blocking` is for one-shot commands and imports almost nothing, `aio` for long-running programs on
asyncio, `api` is the interface that both the socket client and an embedded hive's client have.
What they hand out are rows of the wire; `values` is what is more than that.
"""
