"""The handlers of requests, one module for each subject.

`agent`, `manager` and `harness` serve the sockets of participants; `host`, `mail` and `turns` serve
host.sock. `services` has the base classes of their connections.
"""
