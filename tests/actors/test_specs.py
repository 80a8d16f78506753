"""Child and supervisor specs: data that is checked when made."""

from typing import Any

import attrs
import pytest

from actors import (
    AutoShutdown,
    BrutalKill,
    ChildSpec,
    Infinity,
    Mailbox,
    Restart,
    SupervisorSpec,
)
from actors.testing import FlakyActor


def spec(child_id: str = "a", **settings: Any) -> ChildSpec[Any]:
    return ChildSpec(child_id, FlakyActor, **settings)


def test_a_spec_cannot_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec().restart = Restart.TEMPORARY  # type: ignore[misc]


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="max_restart"):
        spec(max_restart=3)


def test_a_significant_child_cannot_be_permanent() -> None:
    with pytest.raises(ValueError, match="transient or temporary"):
        spec(significant=True, restart=Restart.PERMANENT)


def test_killing_slow_handlers_needs_a_limit() -> None:
    with pytest.raises(ValueError, match="max_handle"):
        spec(kill_slow=True)


@pytest.mark.parametrize("shutdown", [5, 0.1, BrutalKill(), Infinity()])
def test_these_deadlines_are_taken(shutdown: Any) -> None:
    assert spec(shutdown=shutdown).shutdown == shutdown


@pytest.mark.parametrize("shutdown", [0, -1.0, True, "5", None, float("nan")])
def test_these_deadlines_are_refused(shutdown: Any) -> None:
    with pytest.raises(ValueError, match="BrutalKill"):
        spec(shutdown=shutdown)


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="id"):
        spec("")


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_mailbox_for_nothing_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Mailbox(capacity)


def test_ids_are_unique() -> None:
    with pytest.raises(ValueError, match="more than once: a"):
        SupervisorSpec(children=(spec("a"), spec("b"), spec("a")))


def test_significance_without_auto_shutdown_is_refused() -> None:
    child = spec(significant=True, restart=Restart.TRANSIENT)
    with pytest.raises(ValueError, match="auto_shutdown is never"):
        SupervisorSpec(children=(child,))
    assert SupervisorSpec((child,), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT).children == (child,)
