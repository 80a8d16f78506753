"""A real systemd host for tests, in a container of its own: `python -m tests.testbed`.

systemd is not what runs most build machines, and nobody wants tests to start and kill containers
on their own. So the tests that drive systemd run inside a small host that is booted for them by
`systemd-nspawn`: a real PID 1, machined, journald and D-Bus, ready in about a second.

`tree` makes root directories, `host` boots one, `__main__` runs the tests in it.
"""
