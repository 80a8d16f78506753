"""The pressure of the machine: reading it, and the gate with its hysteresis."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.config.model import MachineProtection
from hive.machines.pressure import REOPEN, Gate, PressureGate, limits_of, read_pressures

FILE = """some avg10=12.50 avg60=1.00 avg300=0.10 total=123
full avg10=99.00 avg60=0.00 avg300=0.00 total=0
"""


def gate(**limits: float) -> PressureGate:
    return PressureGate(limits or {"memory": 40.0}, wait=600.0)


def test_the_pressure_is_that_of_some_task_in_the_last_ten_seconds(tmp_path: Path) -> None:
    for name in ("memory", "io"):
        (tmp_path / name).write_text(FILE)
    assert read_pressures(tmp_path) == {"memory": 12.5, "io": 12.5}


@pytest.mark.parametrize("text", ["", "full avg10=1.00 total=0\n", "some avg60=1.0\n", "some x\n"])
def test_a_file_that_cannot_be_read_is_no_pressure(tmp_path: Path, text: str) -> None:
    (tmp_path / "memory").write_text(text)
    assert read_pressures(tmp_path) == {}


def test_a_kernel_without_psi_has_no_pressure(tmp_path: Path) -> None:
    assert read_pressures(tmp_path / "pressure") == {}


def test_only_memory_has_a_limit_by_default() -> None:
    assert limits_of(MachineProtection()) == {"memory": 40.0}
    off = MachineProtection(memory_pressure=None, cpu_pressure=95.0, io_pressure=80.0)
    assert limits_of(off) == {"cpu": 95.0, "io": 80.0}


def test_the_gate_closes_above_the_limit_and_opens_well_below_it() -> None:
    found = gate()
    readings = (40.0, 40.1, 39.0, 30.1, 30.0, 35.0)
    changes = [found.update({"memory": each}, at) for at, each in enumerate(readings)]
    assert changes == [False, True, False, False, True, False]
    assert found.state is Gate.OPEN
    assert found.reason is None


def test_the_reason_has_the_numbers_of_the_moment_at_which_it_closed() -> None:
    found = gate(memory=40.0, io=80.0)
    found.update({"memory": 1.0, "io": 93.7}, 0.0)
    found.update({"memory": 50.0, "io": 99.0}, 5.0)
    assert found.reason is not None
    assert "tasks waited for io in 94 % of the last 10 s (limit 80 %, io_pressure" in found.reason


def test_a_gate_that_is_closed_for_too_long_is_overdue_until_it_opens() -> None:
    found = gate()
    found.update({"memory": 90.0}, 100.0)
    assert not found.update({"memory": 90.0}, 699.0)
    assert found.update({"memory": 90.0}, 700.0)
    assert found.state is Gate.OVERDUE
    assert not found.update({"memory": 90.0}, 9000.0)
    assert found.update({"memory": 0.0}, 9001.0)
    found.update({"memory": 90.0}, 9002.0)
    assert found.state is Gate.CLOSED
    assert found.closed_at == 9002.0


def test_a_gate_without_limits_never_closes() -> None:
    found = PressureGate({}, wait=1.0)
    assert not found.update({"memory": 100.0, "cpu": 100.0, "io": 100.0}, 0.0)


def test_a_pressure_that_is_not_measured_any_more_opens_the_gate() -> None:
    found = gate()
    found.update({"memory": 90.0}, 0.0)
    found.update({}, 1.0)
    assert found.state is Gate.OPEN


@given(st.lists(st.floats(0, 100), max_size=30))
def test_whether_it_is_open_depends_on_the_last_reading_outside_the_band(
    readings: list[float],
) -> None:
    found, limit, is_open = gate(), 40.0, True
    for at, each in enumerate(readings):
        found.update({"memory": each}, float(at))
        is_open = each <= (limit if is_open else limit * REOPEN)
        assert (found.state is Gate.OPEN) is is_open
        assert (found.reason is None) is is_open
