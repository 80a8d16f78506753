"""What runs beside an agent's own program: `hive-ag3nt` and, for the manager, `hive-m1nd`.

`turns` receives messages and hands each to a driver, `command` is the driver that starts a program,
`verbs` are the one-shot commands. Beside an interactive session stand `mcp`, which offers `tools`
to its model, and `hook` and `bell`, which say that mail waits.
"""
