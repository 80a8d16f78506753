"""An MCP server with the tools of the hive, over standard input and output.

`server` offers the tools, `request_lines` reads what a client sends, and `serve` runs both. `sdk`
has what differs between the versions of the MCP SDK.

Needs the extra `hyperhive[mcp]`; nothing else imports the MCP SDK.
"""
