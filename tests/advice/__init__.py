"""The advice of messages: every command in one is a command line, and the important ones help."""
