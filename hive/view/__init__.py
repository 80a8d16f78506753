"""Rendering for the operator: functions from the rows of the host socket to text.

Rows are the plain dictionaries in the responses of the host socket. No module here imports attrs,
msgspec or asyncio, since most command-line verbs import these modules and must start fast. Only
`table` and `live`, which are for terminals, import rich.
"""
