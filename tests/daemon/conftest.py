"""Fixtures of the daemon's tests."""

from tests.support.hives import site

__all__ = ["site"]
