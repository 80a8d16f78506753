"""The tools of the hive for any program that speaks MCP, over standard input and output.

Needs the extra `hyperhive[mcp]`; nothing else imports the MCP SDK.
"""
