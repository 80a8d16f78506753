"""How every test is run: on which loops, with what watching over it.

See `support/loops.py` for the loops and their markers, `support/leaks.py` for the leak checks.
Options: `--sim-seeds N`, `--chaos-seconds N`. Environment: `HYPOTHESIS_PROFILE` = `dev` (default),
`ci` or `nightly`: how many examples are tried, and how long the chaos run lasts.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from typing import Any

import pytest
from blockbuster import BlockBuster
from hypothesis import settings
from pytest_asyncio import is_async_test

from hive.event_log import EventLog
from tests.support import leaks, loops
from tests.support.event_table import problem_of

PASSED = pytest.StashKey[bool]()

settings.register_profile("dev", max_examples=50, deadline=None, print_blob=True)
settings.register_profile("ci", settings.get_profile("dev"), max_examples=300)
settings.register_profile("nightly", settings.get_profile("dev"), max_examples=5000)
PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "dev")
settings.load_profile(PROFILE)

CHAOS_SECONDS = {"dev": 20.0, "ci": 60.0, "nightly": 600.0}
"""How long faults go on, by the profile that decides how many examples are tried."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sim-seeds",
        type=int,
        default=3,
        metavar="N",
        help="run each simulated test with the seeds 0 to N-1 (default: %(default)s)",
    )
    parser.addoption(
        "--chaos-seconds",
        type=float,
        default=CHAOS_SECONDS[PROFILE],
        metavar="N",
        help="how long faults go on in tests/chaos (default, by the profile: %(default)s)",
    )


@pytest.hookimpl(trylast=True)  # after the random order
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: at the end, no process has nothing to do but wait for one."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> loops.Factories:
    return loops.factories(item, config.getoption("--sim-seeds"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture(scope="session", autouse=True)
def _process_wide_parts() -> None:
    loops.open_process_wide_parts()


@pytest.fixture(autouse=True)
def nothing_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that passed but left a file descriptor or a non-daemon thread behind."""
    fds, threads = leaks.open_fds(), set(threading.enumerate())
    yield
    if request.node.stash.get(PASSED, False):  # a failed test holds on to things by its traceback
        left = leaks.leaked_threads(threads) + leaks.leaked_fds(fds)
        assert not left, "the test left these open:\n" + "\n".join(left)


@pytest.fixture(autouse=True)
def documented_events(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test in which an event was recorded otherwise than docs/events.md says."""
    append, problems = EventLog._append, set[str]()

    def checked(log: EventLog, entry: Any) -> Any:
        problems.update(filter(None, [problem_of(entry.kind.value, entry.name, entry.detail)]))
        return append(log, entry)

    monkeypatch.setattr(EventLog, "_append", checked)
    yield
    assert not problems, "\n".join(sorted(problems))


@pytest.fixture
async def nothing_left_running(request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Fail an async test that passed but left tasks running, or errors to the loop to log.

    A test that provokes such an error on purpose sets its own exception handler on the loop.
    """
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, error: unhandled.append(error))
    yield
    left = await leaks.leaked_tasks()
    if request.node.stash.get(PASSED, False):
        assert not left, "the test left these tasks running:\n" + "\n".join(left)
        assert not unhandled, "nobody handled these errors:\n" + "\n".join(map(str, unhandled))


@pytest.fixture(scope="session")
def _blockbuster() -> BlockBuster:
    # The simulation loop is below every callback on the stack, so it must not count as a caller.
    return BlockBuster(["actors", "hive"], excluded_modules=["actors.testing"])


@pytest.fixture(autouse=True)
def blockbuster(
    request: pytest.FixtureRequest, nothing_left_open: None, _blockbuster: BlockBuster
) -> Iterator[BlockBuster | None]:
    """Fail an async test in which our code blocks the loop's thread; None for a sync test.

    Simulated tests run SQLite on the loop's thread on purpose: it is what makes them repeatable.
    A test that has a good reason for one call deactivates it:
    `blockbuster.functions["os.stat"].deactivate()`.
    """
    if not is_async_test(request.node):
        yield None
        return
    request.getfixturevalue("nothing_left_running")
    _blockbuster.activate()
    if request.node.get_closest_marker("sim"):
        for name, function in _blockbuster.functions.items():
            if name.startswith("sqlite3."):
                function.deactivate()
    yield _blockbuster
    _blockbuster.deactivate()
