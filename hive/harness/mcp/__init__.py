"""An MCP server with the tools of the hive, over standard input and output.

Needs the extra `hyperhive[mcp]`; nothing else imports the MCP SDK.
"""
