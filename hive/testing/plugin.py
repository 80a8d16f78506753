"""The pytest plugin: fixtures for tests of a project that embeds a hive.

pytest loads it at the start of every run where hyperhive is installed, used or not. So it imports
nothing before a fixture is used. It needs no async plugin: a simulation has its own loop, and
`make_hive` returns an async context manager that works with every async plugin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hive import Hive

SEED = pytest.StashKey[int]()
"""The seed of the last simulation of a test."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the seed."""
    parser.getgroup("hyperhive").addoption(
        "--hive-seed",
        type=int,
        default=0,
        metavar="SEED",
        help="seed of the simulations of `simulate_hive` (default: %(default)s)",
    )


@pytest.fixture
def simulate_hive(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Any]:
    """Return `hive.testing.simulate` with a seed and with a state directory in `tmp_path`.

    The seed is that of `--hive-seed`; the report of a failed test has it. A second call continues
    the state of the first one, as a restarted daemon does.
    """
    from hive.testing.simulation import simulate

    def run(
        scenario: Callable[[Hive], Awaitable[Any]],
        *,
        seed: int = request.config.getoption("--hive-seed"),
        **options: Any,
    ) -> Any:
        request.node.stash[SEED] = seed
        return simulate(scenario, seed=seed, **{"state_dir": tmp_path / "hive", **options})

    return run


@pytest.fixture
def make_hive(tmp_path: Path) -> Callable[..., Hive]:
    """Return `hive.Hive` with a state directory in `tmp_path`, for async tests in real time.

    A second hive in the same test continues the state of the first one.
    """
    from hive import Hive

    return partial(Hive, state_dir=tmp_path / "hive")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the seed of the simulation to the report of a failed test."""
    report = yield
    if report.failed and SEED in item.stash:
        seed = item.stash[SEED]
        report.sections.append(("simulated hive", f"seed {seed}: --hive-seed {seed} repeats it"))
    return report
