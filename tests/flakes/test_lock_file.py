"""What a lock file says: inputs, differences, and which agents they affect; hostile files."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hive.errors import BadRequestError
from hive.flakes.lock_file import (
    FOLLOWS,
    LOCK_BYTES,
    NODES,
    affected,
    differences,
    own_inputs,
    parse_lock,
)

Nodes = dict[str, dict[str, Any]]


def node(rev: str, *, at: int = 0, **inputs: Any) -> dict[str, Any]:
    source = {"type": "github", "owner": "o", "repo": "r"}
    locked = {**source, "rev": rev * 40, "narHash": f"sha256-{rev * 43}=", "lastModified": at}
    return {"locked": locked, "original": source, "inputs": inputs}


def lock(nodes: Nodes, **root: Any) -> bytes:
    return json.dumps(
        {"nodes": {**nodes, "root": {"inputs": root}}, "root": "root", "version": 7}
    ).encode()


def meta(nixpkgs: str = "a", tools: str = "b", alice: str = "c", deep: str = "d") -> bytes:
    """Return the lock of a meta flake: alice has `tools`, which has `deep`; bob only nixpkgs."""
    nodes = {
        "nixpkgs": node(nixpkgs, at=86400),
        "tools": node(tools, deep="deep", nixpkgs=["nixpkgs"]),
        "deep": node(deep),
        "alice": node(alice, tools="tools"),
        "bob": node("e"),
    }
    return lock(nodes, nixpkgs="nixpkgs", **{"agent-alice": "alice", "agent-bob": "bob"})


def test_the_inputs_that_can_be_updated_are_shared_ones_and_those_of_agents() -> None:
    found = own_inputs(parse_lock(meta()))
    assert list(found) == ["agent-alice/tools", "nixpkgs"]
    assert found["nixpkgs"].revision == "a" * 40
    assert found["nixpkgs"].modified == 86400
    assert found["nixpkgs"].reference == "github:o/r"


def test_an_input_that_follows_another_is_not_one_that_can_be_updated() -> None:
    nodes = {"nixpkgs": node("a"), "alice": node("b", pkgs=["nixpkgs"])}
    content = lock(nodes, nixpkgs="nixpkgs", **{"agent-alice": "alice"})
    assert list(own_inputs(parse_lock(content))) == ["nixpkgs"]


@pytest.mark.parametrize(
    ("change", "path", "agents"),
    [
        ({"nixpkgs": "f"}, "nixpkgs", ["alice", "bob"]),
        ({"tools": "f"}, "agent-alice/tools", ["alice"]),
        ({"deep": "f"}, "agent-alice/tools/deep", ["alice"]),
    ],
)
def test_a_change_is_named_by_its_path_and_affects_what_is_built_of_it(
    change: dict[str, str], path: str, agents: list[str]
) -> None:
    before, after = parse_lock(meta()), parse_lock(meta(**change))
    (found,) = differences(before, after)
    assert found.path == path
    assert str(found).startswith(f"{path}: ")
    assert str(found).split(" -> ")[1].startswith("fffffffff (")
    assert affected(before, after, ["bob", "alice"]) == agents
    assert differences(after, after) == []
    assert affected(after, after, ["alice", "bob"]) == []


def test_a_new_and_a_removed_input_are_differences() -> None:
    less = lock({"alice": node("c")}, **{"agent-alice": "alice"})
    more = lock({"alice": node("c", x="x"), "x": node("d", at=86400)}, **{"agent-alice": "alice"})
    old, new = parse_lock(less), parse_lock(more)
    assert list(map(str, differences(old, new))) == [
        "agent-alice/x: nothing -> ddddddddd (1970-01-02)"
    ]
    assert affected(old, new, ["alice"]) == affected(new, old, ["alice"]) == ["alice"]


def test_what_a_follower_leads_to_counts_for_who_follows() -> None:
    def content(rev: str) -> bytes:
        nodes = {"x": node(rev), "alice": node("c", x=["agent-bob", "x"]), "bob": node("d", x="x")}
        return lock(nodes, **{"agent-alice": "alice", "agent-bob": "bob"})

    old, new = parse_lock(content("a")), parse_lock(content("b"))
    assert affected(old, new, ["alice", "bob"]) == ["alice", "bob"]


def circle() -> bytes:
    return lock({"a": node("a", b=["a", "c"], c=["a", "b"])}, a="a")


def chain() -> bytes:
    """Return followers that each follow the next, more than any honest lock has."""
    root: dict[str, Any] = {f"x{i}": [f"x{i + 1}"] for i in range(FOLLOWS + 5)}
    return lock({"a": node("a")}, **root, **{f"x{FOLLOWS + 5}": "a"})


def doubling() -> bytes:
    """Return a chain in which each follower looks at the one before twice."""
    nodes = {"a": node("a", self="a")}
    root: dict[str, Any] = {"x0": "a"}
    root |= {f"x{i}": [f"x{i - 1}", "self"] for i in range(1, FOLLOWS)}
    return lock(nodes, **root)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no lock file"),
        (b"{", "is no lock file"),
        (b"\xff\xfe", "is no lock file"),
        (b"[" * 100_000, "is no lock file"),
        (b'{"nodes": 3, "root": "root", "version": 7}', "is no lock file"),
        (b'{"nodes": {}, "root": "root", "version": 7}', "has no node 'root'"),
        (b'{"nodes": {"root": {}}, "root": "root", "version": 99}', "has version 99"),
        (b'{"nodes": {"root": {}}, "root": "root", "version": 4}', "has version 4"),
        (b'{"nodes": {"root": {"inputs": []}}, "root": "root", "version": 7}', "no lock file"),
        (b" " * (LOCK_BYTES + 1), f"has {LOCK_BYTES + 1} bytes"),
        (lock({str(i): {} for i in range(NODES)}), f"has {NODES + 1} nodes"),
        (lock({}, a="b"), "the input 'a' of 'root' is the node 'b', which it does not have"),
        (lock({}, a=["b", "c"]), "the input 'a' of 'root' follows 'b/c', which leads nowhere"),
        (lock({}, a=[]), "follows '', which leads nowhere"),
        (lock({}, a=["a"]), "follows 'a', which leads nowhere"),
        (circle(), "leads nowhere"),
        (chain(), f"follows more than {FOLLOWS} other inputs"),
    ],
)
def test_a_lock_that_is_none_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        parse_lock(content)


def test_a_lock_that_is_looked_at_twice_at_each_turn_takes_no_time() -> None:
    found = parse_lock(doubling())
    assert found.inputs("root")["x9"] == "a"


names = st.sampled_from(["a", "b", "c", "root"])
references = names | st.lists(names, max_size=3)


@given(st.dictionaries(names, st.dictionaries(names, references, max_size=3), max_size=4))
def test_any_graph_is_refused_or_can_be_used(graph: dict[str, dict[str, Any]]) -> None:
    nodes = {key: node("a", **inputs) for key, inputs in graph.items()}
    content = json.dumps({"nodes": nodes, "root": "root", "version": 7}).encode()
    try:
        found = parse_lock(content)
    except BadRequestError:
        return
    assert all(key in found.nodes for key in found.targets.values())
    assert differences(found, found) == []
    assert affected(found, found, ["alice"]) == []
    own_inputs(found)
