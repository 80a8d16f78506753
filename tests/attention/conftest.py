"""Fixtures: a simulated hive with two agents, a manager and a peer."""

from tests.gateway.conftest import alice, hive, host, runtime
from tests.support.hives import site

__all__ = ["alice", "hive", "host", "runtime", "site"]
