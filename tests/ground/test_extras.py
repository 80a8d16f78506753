"""An extra is installed from where hyperhive came from, with what its environment has."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from hive.extras import Installation, how_to_install, this_installation

ROOT = Path(__file__).parents[2]

HERE = "/opt/hyperhive/bin/python"

VCS = {"url": "https://example.org/hive.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}}

ORIGINS = {
    "index": (None, "hyperhive[mcp]"),
    "clone": ({"url": "file:///src/my%20hive", "dir_info": {}}, "/src/my hive[mcp]"),
    "wheel": (
        {"url": "file:///w/hyperhive-0.2.0-py3-none-any.whl", "archive_info": {}},
        "/w/hyperhive-0.2.0-py3-none-any.whl[mcp]",
    ),
    "archive": ({"url": "https://example.org/h.whl"}, "hyperhive[mcp] @ https://example.org/h.whl"),
    "git": (VCS, "hyperhive[mcp] @ git+https://example.org/hive.git@ab12"),
    "local git": (
        VCS | {"url": "file:///src/hive"},
        "hyperhive[mcp] @ git+file:///src/hive@ab12",
    ),
}


@pytest.mark.parametrize(("origin", "requirement"), ORIGINS.values(), ids=ORIGINS)
def test_the_command_names_the_origin_and_the_environment(origin, requirement):
    words = shlex.split(how_to_install("mcp", Installation(HERE, origin)))
    assert words == [HERE, "-m", "pip", "install", requirement]


def test_an_editable_installation_stays_editable():
    origin = {"url": "file:///src/hive", "dir_info": {"editable": True}}
    told = how_to_install("mcp", Installation(HERE, origin))
    assert told.endswith("pip install --editable '/src/hive[mcp]'")


def test_an_environment_of_uv_has_no_pip():
    told = how_to_install("mcp", Installation("/a b/python", has_pip=False))
    assert told == "uv pip install --python '/a b/python' 'hyperhive[mcp]'"


def test_an_origin_that_is_gone_is_said_to_be():
    origin = {"url": "file:///w/gone.whl"}
    told = how_to_install("mcp", Installation(HERE, origin, is_gone=True))
    assert "'/w/gone.whl[mcp]' (that origin is gone: give" in told


def test_pip_changes_nothing_in_the_nix_store():
    told = how_to_install("mcp", Installation("/nix/store/x-python3/bin/python3.13"))
    assert "pip" not in told
    assert 'extras = [ … "mcp" ]' in told


def test_what_is_known_of_this_installation():
    found = this_installation()
    assert found.python == sys.executable
    assert not found.is_gone
    assert how_to_install("mcp") == how_to_install("mcp", found)


def test_no_other_sentence_names_a_package_of_the_index():
    others = [
        path.name
        for path in (ROOT / "hive").rglob("*.py")
        if "pip install" in path.read_text() and path.name != "extras.py"
    ]
    assert others == []
