"""Stale inputs of NixOS systems, and the verb that updates them."""

from hive.clock import DAY
from hive.doctor.input_checks import stale_inputs
from hive.findings import Verdict

FRESH = {"name": "nixpkgs", "reference": "github:a/b", "stale": False, "age_seconds": DAY}
OLD = {"name": "agent-bob/tools", "reference": "github:a/c", "stale": True, "age_seconds": 45 * DAY}
OTHER = {"name": "nixpkgs", "reference": "github:a/b", "stale": True, "wanted": "github:a/d"}


def test_recent_inputs_are_no_problem() -> None:
    (found,) = stale_inputs([FRESH])
    assert (found.verdict, found.remedy) == (Verdict.OK, "")


def test_a_hive_without_inputs_has_nothing_to_say_about_them() -> None:
    assert list(stale_inputs([])) == []


def test_stale_inputs_are_named_with_the_verb_that_updates_them() -> None:
    (found,) = stale_inputs([FRESH, OLD])
    assert found.verdict is Verdict.WARNING
    assert found.sentence.endswith("agent-bob/tools (45 days old)")
    assert found.remedy == "hive-c0re update-inputs agent-bob/tools"


def test_another_reference_in_the_file_is_named() -> None:
    (found,) = stale_inputs([OTHER])
    assert "nixpkgs (github:a/b, while hive.toml names github:a/d)" in found.sentence
    assert found.remedy == "hive-c0re update-inputs nixpkgs"
