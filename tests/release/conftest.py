"""The archives are built once for all tests that look into them, also of several processes."""

from __future__ import annotations

import fcntl
import os

import pytest

from tests.check_docs import ROOT
from tests.release.archives import Archives, build, built


@pytest.fixture(scope="session", name="archives")
def _archives(tmp_path_factory: pytest.TempPathFactory) -> Archives:
    pytest.importorskip("build", reason="the group 'check' of pyproject.toml is not installed")
    own = tmp_path_factory.getbasetemp()
    into = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "archives"
    into.mkdir(exist_ok=True)
    with (into / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return built(into) or build(ROOT, into, isolated=False)
