"""Names are keys of inboxes and names of directories: only safe ones are valid."""

from __future__ import annotations

import pytest

from hive.errors import BadRequestError
from hive.names import check_agent_name, check_peer_name, container_name, suggest


@pytest.mark.parametrize("name", ["a", "alice", "a-1", "abcdefghi", "hm1nd"])
def test_good_agent_names_pass(name: str) -> None:
    assert check_agent_name(name) == name


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("../x", "use a to z"),
        ("a/b", "use a to z"),
        ("", "use a to z"),
        (".", "use a to z"),
        ("Alice", "use a to z"),
        ("1a", "use a to z"),
        ("a b", "use a to z"),
        ("a\n", "use a to z"),
        ("é", "use a to z"),
        ("abcdefghij", "at most 9"),
        ("operator", "reserved"),
        ("system", "reserved"),
        ("manager", "reserved"),
    ],
)
def test_bad_agent_names_are_refused_with_the_rule(name: str, rule: str) -> None:
    with pytest.raises(BadRequestError, match=rule):
        check_agent_name(name)


def test_a_peer_may_have_a_longer_name_but_not_the_managers() -> None:
    assert check_peer_name("damocles-lab") == "damocles-lab"
    with pytest.raises(BadRequestError, match="at most 32"):
        check_peer_name("x" * 33)
    with pytest.raises(BadRequestError, match="manager"):
        check_peer_name("hm1nd")
    with pytest.raises(BadRequestError, match="use a to z"):
        check_peer_name("../../etc")


def test_container_names_fit_nixos_container() -> None:
    assert container_name("abcdefghi") == "h-abcdefghi"
    assert len(container_name("abcdefghi")) == 11
    assert container_name("hm1nd") == "hm1nd"


def test_the_nearest_name_is_suggested_and_nonsense_is_not() -> None:
    assert suggest("alcie", ["alice", "bob"]) == "; did you mean 'alice'?"
    assert suggest("zzz", ["alice", "bob"]) == ""
    assert suggest("ALICE", ["alice", "bob"]) == "; did you mean 'alice'?"
    assert suggest("hive_run", ["HIVE_RUN"]) == "; did you mean 'HIVE_RUN'?"
