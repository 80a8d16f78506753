"""The guarantees of every runtime, checked on real containers: the same tests, another lab."""

import pytest

from tests.machines import test_conformance as every_runtime

pytestmark = pytest.mark.loops("uvloop")

_OTHERWISE = {
    "test_a_runtime_has_the_name_that_hive_toml_uses",
    "test_a_stop_returns_the_exit_that_is_reported_once",
    "test_a_started_agent_runs_and_is_described",
}
"""Guarantees that have their own tests for containers: see `test_machinectl.py`."""

_LONG = {"test_a_cancelled_start_leaves_nothing_unwatched", "test_a_cancelled_stop_goes_on"}
"""These try twelve turns of the loop each; here, three suffice."""

for _name, _test in vars(every_runtime).items():
    if _name.startswith("test_") and _name not in _OTHERWISE | _LONG:
        globals()[_name] = _test


@pytest.mark.parametrize("turns", [0, 4, 9])
async def test_a_cancelled_start_leaves_nothing_unwatched(
    lab: every_runtime.Lab, turns: int
) -> None:
    await every_runtime.test_a_cancelled_start_leaves_nothing_unwatched(lab, turns)


@pytest.mark.parametrize("turns", [0, 4, 9])
async def test_a_cancelled_stop_goes_on(lab: every_runtime.Lab, turns: int) -> None:
    await every_runtime.test_a_cancelled_stop_goes_on(lab, turns)
