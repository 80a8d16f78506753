"""Approvals, deploys and inputs as plain lines."""

from __future__ import annotations

from hive.view.change_lines import approval_line, approval_lines, deploy_line, input_lines

SENT = "2026-11-22T14:00:00.000Z"
NOW = 1795356000.0 + 3600
APPROVAL = {
    "id": 3,
    "agent": "*",
    "kind": "update_inputs",
    "status": "pending",
    "requested_at": SENT,
    "requested_by": "hm1nd",
    "fetched_sha": "cd" * 32,
    "agents": ["alice", "bob"],
    "description": "a fix",
    "subject": "nixpkgs: a -> b",
}


def test_an_update_of_inputs_says_which_agents_it_restarts() -> None:
    line = approval_line(APPROVAL, NOW)
    assert "update_inputs" in line
    assert line.endswith("restarts alice, bob  a fix")
    assert "Restarts:   alice, bob" in approval_lines(APPROVAL, NOW)
    assert "restarts" not in approval_line({**APPROVAL, "agents": None}, NOW)


def test_a_deploy_of_several_agents_names_them() -> None:
    row = {"id": 4, "name": "*", "sha": "cd" * 32, "step": "building", "source": "inputs"}
    shown = deploy_line({**row, "agents": ["alice", "bob\x1b"], "queued_at": SENT}, NOW)
    assert shown.startswith("   4  alice, bob\\x1b  cdcdcdcdcdcd  [building]  inputs")


def test_a_deploy_that_waits_says_for_what() -> None:
    row = {"id": 4, "name": "alice", "sha": "cd" * 20, "step": "restarting", "source": "approval"}
    shown = deploy_line({**row, "approval": 2, "waits": "waits: \x1b", "queued_at": SENT}, NOW)
    assert shown.endswith("waits: \\x1b")


def test_inputs_are_columns_with_those_that_are_stale_marked() -> None:
    rows = [
        {
            "name": "nixpkgs",
            "reference": "github:NixOS/nixpkgs",
            "revision": "ab" * 20,
            "modified_at": SENT,
            "age_seconds": 3600,
            "stale": False,
        },
        {
            "name": "agent-bob/\x1b",
            "reference": "path:./x",
            "stale": True,
            "wanted": "github:a/b",
        },
    ]
    first, second = input_lines(rows, NOW)
    assert first.split("  ")[0] == "nixpkgs"
    assert "abababababab" in first
    assert "stale" not in first
    assert second.startswith("agent-bob/\\x1b  -")
    assert second.endswith("[stale] (hive.toml names github:a/b)")
    assert input_lines([], NOW) == []
