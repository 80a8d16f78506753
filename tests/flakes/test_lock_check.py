"""A corpus of flakes and locks: what may be built, and what is refused before anybody is asked."""

import json
from copy import deepcopy
from typing import Any

import pytest

from hive.errors import BadRequestError
from hive.flakes.lock_check import check_lock, url_problem

HASH = "sha256-RShqMfNzsTAAJUq8CEz2kyk2NNLhsMYCJLaffZqxUac="
REV = "40513eca25e5f197fd87539257450b755be95c2d"
TOOLS = {
    "locked": {"type": "git", "url": "https://example.org/t", "rev": REV, "narHash": HASH},
    "original": {"type": "git", "url": "https://example.org/t"},
}
FORGE = {
    "locked": {"type": "github", "owner": "o", "repo": "r", "rev": REV, "narHash": HASH},
    "original": {"id": "nixpkgs", "type": "indirect"},
}
INPUTS: dict[str, dict[str, Any]] = {
    "tools": {"url": "git+https://example.org/t", "inputs": {"pkgs": {"follows": "pkgs"}}},
    "pkgs": {"url": "nixpkgs"},
}


def lock() -> dict[str, Any]:
    nodes = {
        "root": {"inputs": {"tools": "tools", "pkgs": "pkgs"}},
        "tools": {**deepcopy(TOOLS), "inputs": {"pkgs": ["pkgs"]}},
        "pkgs": deepcopy(FORGE),
    }
    return {"nodes": nodes, "root": "root", "version": 7}


def check(content: object, inputs: dict[str, dict[str, Any]] = INPUTS) -> None:
    check_lock(json.dumps(content).encode(), inputs)


def test_an_honest_lock_fits() -> None:
    check(lock())
    check_lock(None, {})
    check({"nodes": {"root": {}}, "root": "root", "version": 7}, {})


def test_a_flake_with_inputs_needs_a_lock() -> None:
    with pytest.raises(BadRequestError, match=r"has inputs \(pkgs, tools\) and there is no flake"):
        check_lock(None, INPUTS)


def changed(key: str, part: str, **values: Any) -> dict[str, Any]:
    """Return the lock with other values in a node; None takes one out."""
    found = lock()
    source = found["nodes"][key][part]
    source.update(values)
    found["nodes"][key][part] = {name: each for name, each in source.items() if each is not None}
    return found


SOURCES: list[tuple[str, dict[str, Any], str]] = [
    ("locked", {"url": "file:///root/private"}, "only git, http, https, ssh are allowed"),
    ("locked", {"url": "/root/private"}, "only git, http, https, ssh are allowed"),
    ("locked", {"url": "https:/root"}, "only git, http, https, ssh are allowed"),
    ("locked", {"url": "ext::sh -c id"}, "only git, http, https, ssh are allowed"),
    ("locked", {"url": "ssh://-oProxyCommand=id/x"}, "has no plain host"),
    ("locked", {"url": "ssh://git@-oProxyCommand=id/x"}, "has no plain host"),
    ("locked", {"url": "https:///x"}, "has no plain host"),
    ("locked", {"url": "https://[::1/x"}, "URL is wrong"),
    ("locked", {"url": "https://x\\@example.org/"}, "has no plain host"),
    ("locked", {"url": None}, "which is fetched from ''"),
    (
        "locked",
        {"url": "https://example.org/\u001b[2J"},
        r"whose URL is 'https://example.org/\\x1b",
    ),
    ("locked", {"ref": "--upload-pack=id"}, "whose ref is"),
    ("locked", {"ref": "a\nb"}, "whose ref is"),
    ("locked", {"rev": "-x"}, "whose rev is"),
    ("locked", {"rev": None}, "not locked to a commit"),
    ("locked", {"rev": "main"}, "not locked to a commit"),
    ("locked", {"narHash": None}, "has no narHash"),
    ("locked", {"narHash": "md5-x"}, "has no narHash"),
    ("locked", {"type": "path", "path": "/etc"}, "the path '/etc' outside the repository"),
    ("locked", {"type": "path", "path": "a/../../b"}, "outside the repository"),
    ("locked", {"type": "path", "path": "~root"}, "outside the repository"),
    ("locked", {"type": "path"}, "outside the repository"),
    ("locked", {"type": "indirect", "id": "nixpkgs"}, "locked to an entry of the registry"),
    ("locked", {"type": "indirect", "id": "../../etc"}, "no entry of the registry"),
    ("locked", {"type": "hg", "url": "https://x/y"}, "of the kind 'hg'"),
    ("locked", {"type": "tarball", "url": "file:///etc/x.tar"}, "only http, https are allowed"),
    ("locked", {"type": "file", "url": "file:///etc/shadow"}, "only http, https are allowed"),
    ("locked", {"type": None}, "which has no type"),
    ("locked", {"type": ["git"]}, "which has no type"),
    ("locked", {"type": "github"}, "has no owner and repo"),
    ("locked", {"type": "github", "owner": {}, "repo": "x"}, "whose owner is"),
    ("original", {"url": "file:///root/private"}, "only git, http, https, ssh are allowed"),
    ("original", {"type": "path", "path": "/etc"}, "the path '/etc' outside the repository"),
    ("original", {"type": "indirect", "id": "a/../../../etc"}, "no entry of the registry"),
]


@pytest.mark.parametrize(("part", "values", "sentence"), SOURCES)
def test_an_input_that_could_read_this_machine_or_is_not_pinned_is_refused(
    part: str, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(BadRequestError, match=sentence):
        check(changed("tools", part, **values))


def test_a_node_without_a_lock_is_refused() -> None:
    found = lock()
    del found["nodes"]["tools"]["locked"]
    with pytest.raises(BadRequestError, match=r"flake\.lock does not lock tools"):
        check(found)


def test_a_relative_path_within_the_repository_is_allowed() -> None:
    source = {"type": "path", "path": "./parts/tools"}
    found = lock()
    found["nodes"]["tools"] |= {"locked": source, "original": source}
    check(found, INPUTS | {"tools": {"url": "path:./parts/tools"}})


URLS = [
    ("path:/etc", "outside the repository"),
    ("path:..", "outside the repository"),
    ("/etc", "outside the repository"),
    ("./../x", "outside the repository"),
    ("~/x", "outside the repository"),
    ("", "no entry of the registry"),
    ("nixpkgs/../../etc", "no entry of the registry"),
    ("a/b/c/d", "no entry of the registry"),
    ("flake:a/..", "no entry of the registry"),
    ("git+file:///root", "only git, http, https, ssh"),
    ("git+file:/root", "only git, http, https, ssh"),
    ("git:/root", "of the kind 'git'"),
    ("tarball+file:///x.tar", "only http, https"),
    ("file+file:///etc/shadow", "only http, https"),
    ("file:///etc/x.tar.gz", "only http, https"),
    ("hg+https://x/y", "only http, https"),
    ("GIT+FILE:///root", "only http, https"),
    (" path:/etc", "of the kind"),
    ("ext::sh", "of the kind 'ext'"),
]


@pytest.mark.parametrize(("url", "sentence"), URLS)
def test_a_flake_that_declares_such_an_input_is_refused(url: str, sentence: str) -> None:
    assert sentence in (url_problem(url) or "")
    inputs = INPUTS | {"tools": {"url": "github:o/r", "inputs": {"deep": {"url": url}}}}
    with pytest.raises(BadRequestError, match=r"flake\.nix has the input tools/deep, which"):
        check(lock(), inputs)


def test_attributes_of_an_input_win_over_its_url_as_for_nix() -> None:
    bad = {"type": "path", "path": "/etc", "url": "github:o/r"}
    with pytest.raises(BadRequestError, match="the path '/etc' outside"):
        check(lock(), INPUTS | {"tools": bad})


@pytest.mark.parametrize(
    "url",
    [
        "github:NixOS/nixpkgs/nixos-24.11",
        "nixpkgs",
        "nixpkgs/nixos-24.11",
        "flake:nixpkgs",
        "git+ssh://git@example.org:22/x?ref=main&rev=" + REV,
        "https://example.org/x.tar.gz",
        "tarball+https://example.org/x",
        "path:./sub",
        "./sub",
        "gitlab:a/b",
    ],
)
def test_an_ordinary_input_is_allowed(url: str) -> None:
    assert url_problem(url) is None


def test_the_names_of_lock_and_flake_must_be_the_same() -> None:
    with pytest.raises(BadRequestError, match=r"does not have the input more of flake\.nix"):
        check(lock(), INPUTS | {"more": {"url": "github:o/r"}})
    with pytest.raises(BadRequestError, match=r"the input pkgs, which flake\.nix does not have"):
        check(lock(), {"tools": INPUTS["tools"]})
    with pytest.raises(BadRequestError, match="does not have that pkgs follows tools/pkgs"):
        check(lock(), INPUTS | {"pkgs": {"follows": "tools/pkgs"}})


def test_everything_that_is_wrong_is_named_at_once_and_bounded() -> None:
    inputs = {f"x{i}": {"url": "path:/etc"} for i in range(30)}
    with pytest.raises(BadRequestError) as refused:
        check_lock(None, inputs)
    words = str(refused.value)
    assert words.count("outside the repository") == 10
    assert words.endswith("; and 21 more")
    assert len(words) < 2000


def test_inputs_of_inputs_without_an_end_are_refused() -> None:
    inputs: dict[str, Any] = {"url": "github:o/r"}
    for _ in range(200):
        inputs = {"url": "github:o/r", "inputs": {"x": inputs}}
    with pytest.raises(BadRequestError, match="in more than 10 levels"):
        check_lock(None, {"x": inputs})
