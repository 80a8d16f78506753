"""Fixtures of the participants' tests."""

import pytest

from hive.names import driver_names
from tests.support.hives import site

__all__ = ["site"]


@pytest.fixture(scope="session", autouse=True)
def _driver_names() -> None:
    """Read the names of the drivers first, as a hive does when it opens: they come from disk."""
    driver_names()
