"""What an operator sees: pure functions from the rows of the wire to text.

Rows are the plain dictionaries that the host socket answers with, and nothing here imports attrs,
msgspec or asyncio: most command-line verbs use these modules, and start-up time is theirs. Only
`table` and `live` import rich; they are for terminals.
"""
