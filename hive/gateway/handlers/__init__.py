"""The handlers of requests, one module for each subject.

`agent`, `manager` and `harness` serve the sockets of participants; `host`, `mail` and `turns` serve
host.sock. `changes` has the verbs about approvals and deploys, `manager_asks` those by which the
manager asks for something, `spawning` makes agents. `services` has the base classes of the
connections, `attach_handlers` leads the operator into agents, `operator_audit` records what the
operator does.
"""
