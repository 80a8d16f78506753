"""`hive-c0re`: the operator's verbs.

Each verb is imported when it is invoked, and no verb imports what it does not use: this keeps the
start of the command line fast.
"""
