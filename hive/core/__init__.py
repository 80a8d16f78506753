"""The heart of the daemon: what should be (desired state), what is, and the verbs between.

`lifecycle` carries out what an operator or the manager asks for, `children` turns an agent into a
child spec, `machine_specs` says what its container runs, `reconcile` brings configuration and store
together at start, `snapshot` draws the status.
"""
