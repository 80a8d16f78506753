"""Every test here may have a hive of its own."""

from tests.support.hives import site

__all__ = ["site"]
