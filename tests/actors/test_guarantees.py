"""The page of guarantees says what the code has."""

import inspect
import re
from pathlib import Path

from actors import Backoff, CancelPolicy, ChildSpec, Mailbox, Ref, RestartLimit
from actors._cell import BATCH
from actors._events import DEAD_LETTER_LOG_INTERVAL, DEAD_LETTERS_KEPT
from actors.testing import FlakyActor

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"


def defaults() -> str:
    """Return the table of defaults as it must stand on the page."""
    limit, backoff, cancel_policy = RestartLimit(), Backoff(), CancelPolicy()
    spec: ChildSpec[object] = ChildSpec("x", FlakyActor)
    timeout = inspect.signature(Ref.ask).parameters["timeout"].default
    schedule = ", ".join(f"{delay:g}" for delay in backoff.schedule(10))
    rows = {
        "Restart type of a child": spec.restart.value,
        "Restart limit": f"{limit.max_restarts} within {limit.within:g} s",
        "Time to stop": f"{spec.shutdown:g} s",
        "Restart delays, when a `Backoff` is given": f"{schedule} s",
        "Jitter of the delays": f"up to {backoff.jitter:.0%}",
        "Healthy again after": f"{backoff.healthy_after(limit):g} s",
        "Timeout of an ask": f"{timeout:g} s",
        "Mailbox": f"{Mailbox().capacity:,} messages, then {Mailbox().policy.value}",
        "Messages handled before the loop gets its turn": f"{BATCH}",
        "Cancellations of a task that swallows them": (
            f"{cancel_policy.cancel_tries}, every {cancel_policy.cancel_interval:g} s"
        ),
        "Time for `on_stop` after a kill": f"{cancel_policy.kill_grace:g} s",
        "Dead letters kept": f"{DEAD_LETTERS_KEPT}",
        "Log lines about dead letters": f"one in {DEAD_LETTER_LOG_INTERVAL:g} s",
    }
    lines = ["| what | default |", "| --- | --- |"]
    return "\n".join(lines + [f"| {what} | {value} |" for what, value in rows.items()])


def test_the_defaults_are_those_of_the_code() -> None:
    found = re.search(r"<!-- defaults -->\n(.*?)\n?<!-- /defaults -->", PAGE.read_text(), re.DOTALL)
    assert found is not None
    assert found[1] == defaults()


def test_every_promise_names_a_test_that_exists() -> None:
    root = PAGE.parents[1]
    promises = re.findall(r"^- .*", PAGE.read_text(), re.MULTILINE)
    assert len(promises) > 50
    for promise in promises:
        tests = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", promise)
        assert tests, f"no test for: {promise}"
        for path, name in tests:
            assert f"def {name}(" in (root / path).read_text(), f"{path} has no {name}"


def test_the_page_names_the_bounds_of_dead_letters() -> None:
    text = PAGE.read_text()
    assert f"(the last {DEAD_LETTERS_KEPT})" in text
    assert DEAD_LETTER_LOG_INTERVAL == 10.0
    assert "once in ten seconds" in text
