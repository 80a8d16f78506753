"""Fixtures of the status tests."""

from tests.support.hives import site

__all__ = ["site"]
