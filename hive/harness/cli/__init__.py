"""The programs `hive-ag3nt` and `hive-m1nd`."""

from hive.harness.cli.oneshot import agent, manager

__all__ = ["agent", "manager"]
