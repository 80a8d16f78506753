"""The manager's requests through its own program: real daemon, processes and git."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.support.daemons import HiveOnDisk, eventually
from tests.support.repositories import Repository

REFUSED = 2

TOML = """\
[manager]
exec = ["sleep", "100000"]
[agents.alice]
exec = ["sleep", "100000"]
[peers.damocles]
"""

RUN = 'run = ["./answer.sh"]\n'
SCRIPT = "#!/bin/sh\ncat\n"


@pytest.fixture(name="open_hive")
def _open_hive(hive: HiveOnDisk) -> HiveOnDisk:
    hive.configure(TOML)
    hive.start()
    return hive


def manager(
    hive: HiveOnDisk, *words: str, at: str = "hm1nd", stdin: str | None = None
) -> CompletedProcess[str]:
    env = {"HIVE_SOCKET": str(hive.socket_of(at))}
    return hive.run(*words, program="hive-m1nd", env=env, stdin=stdin)


def asked(hive: HiveOnDisk, *words: str, stdin: str | None = None) -> dict[str, object]:
    """Ask the operator for something, and return what waits for the decision then."""
    done = manager(hive, *words, stdin=stdin)
    assert done.returncode == 0, done.stderr
    (row,) = [each for each in hive.json("pending") if str(each["id"]) == done.stdout.strip()]
    assert row["requested_by"] == "hm1nd"
    return dict(row)


def repository(hive: HiveOnDisk, name: str = "bob") -> Repository:
    return Repository(hive.state_dir / "proposed" / name)


def commit(hive: HiveOnDisk, files: dict[str, str], mode: int = 0o755, name: str = "bob") -> str:
    made = repository(hive, name)
    for path in set(files) - {"agent.toml"}:
        (made.path / path).parent.mkdir(exist_ok=True)
        (made.path / path).touch()
        (made.path / path).chmod(mode)
    return made.commit(files, "a first try")


def approved(hive: HiveOnDisk, number: object) -> dict[str, object]:
    hive.ok("approve", str(number))
    eventually(
        lambda: hive.json("approval", str(number))["status"] in {"done", "failed"},
        what="the end of an approval",
    )
    return dict(hive.json("approval", str(number)))


def test_each_request_is_what_the_tool_of_its_name_asks_for(open_hive: HiveOnDisk) -> None:
    hive = open_hive
    sha = commit(hive, {"agent.toml": RUN, "answer.sh": SCRIPT})
    row = asked(hive, "request-spawn", "bob", sha[:9], "--description", "a helper")
    assert (row["kind"], row["agent"], row["fetched_sha"]) == ("spawn", "bob", sha)
    assert row["description"] == "a helper"
    assert approved(hive, row["id"])["status"] == "done"

    sha = commit(hive, {"agent.toml": RUN + 'memory_max = "1G"\n'})
    row = asked(hive, "request-apply-commit", "bob", sha, "--ttl", "90", "--on-expiry", "deny")
    assert (row["kind"], row["agent"], row["on_expiry"]) == ("apply_commit", "bob", "deny")
    assert row["expires_at"]

    row = asked(hive, "request-init-config", "carl", "--from", "claude")
    assert (row["kind"], row["agent"]) == ("init_config", "carl")
    assert "claude" in row["subject"]

    row = asked(hive, "request-schedule", "alice", "every 2h", stdin="--look\n")
    assert (row["kind"], row["agent"]) == ("schedule", "alice")
    assert "--look" in row["subject"]

    row = asked(hive, "request-adopt", "damocles", "--", "cat")
    assert (row["kind"], row["agent"]) == ("adopt", "damocles")

    row = asked(hive, "request-release", "alice")
    assert (row["kind"], row["agent"]) == ("release", "alice")

    done = manager(hive, "request-update-inputs", "nixpkgs")
    assert (done.returncode, "builds no NixOS systems" in done.stderr) == (5, True)
    done = manager(hive, "request-release", "bob", "--json")
    assert set(json.loads(done.stdout)) == {"approval"}


def test_only_the_manager_may_ask_and_others_read_why(open_hive: HiveOnDisk) -> None:
    done = manager(open_hive, "request-release", "bob", at="alice")
    assert "only the manager may 'request-release', not you" in done.stderr
    done = open_hive.as_participant("alice", "request-release", "bob")
    assert done.returncode == REFUSED
    assert "only the manager may 'request-release': it is a verb of 'hive-m1nd'" in done.stderr
    assert open_hive.json("pending") == []


@pytest.mark.parametrize(
    ("files", "mode", "why"),
    [
        ({"agent.toml": RUN}, 0o755, "'answer.sh' is not in the commit"),
        ({"agent.toml": RUN, "answer.sh/x": "x"}, 0o755, "'answer.sh' is a directory in"),
        ({"agent.toml": RUN, "answer.sh": SCRIPT}, 0o644, "'chmod +x answer.sh' allows it"),
        ({"agent.toml": RUN, "answer.sh": "cat\n"}, 0o755, "begin it with '#!/bin/sh'"),
        (
            {"agent.toml": RUN, "answer.sh": "#!/no/such/shell\n"},
            0o755,
            "no interpreter '/no/such/shell'",
        ),
        ({"agent.toml": 'run = ["/no/such/program"]\n'}, 0o755, "no program '/no/such/program'"),
        ({"agent.toml": 'exec = ["no-such-one"]\n'}, 0o755, "no program 'no-such-one' on PATH"),
        (
            {"agent.toml": f'{RUN}cwd = "away"\n', "answer.sh": SCRIPT},
            0o755,
            "there is no directory",
        ),
    ],
)
def test_a_commit_whose_program_cannot_start_is_refused_at_once(
    open_hive: HiveOnDisk, files: dict[str, str], mode: int, why: str
) -> None:
    sha = commit(open_hive, files, mode)
    done = manager(open_hive, "request-spawn", "bob", sha)
    assert f"agent.toml of commit {sha[:12]}, line " in done.stderr
    assert why in done.stderr
    assert open_hive.json("pending") == []


def test_a_link_and_a_directory_of_the_commit_are_found(open_hive: HiveOnDisk) -> None:
    made = repository(open_hive)
    (made.path / "tools").mkdir()
    (made.path / "answer.sh").symlink_to("tools/answer.sh")
    sha = commit(open_hive, {"agent.toml": f'{RUN}cwd = "tools"\n', "tools/answer.sh": SCRIPT})
    row = approved(open_hive, asked(open_hive, "request-spawn", "bob", sha)["id"])
    assert row["status"] == "done", row
    (entry,) = open_hive.json("history", "bob")
    assert (entry["subject"], entry["description"]) == ("a first try", None)
    assert "  a first try" in open_hive.ok("history", "bob")


def test_errors_name_the_file_that_was_given(open_hive: HiveOnDisk, tmp_path: Path) -> None:
    wrong = tmp_path / "mine.toml"
    wrong.write_text("rum = 1\n")
    for words in (
        ("adopt", "damocles", "--file", str(wrong)),
        ("spawn", "carl", "--file", str(wrong)),
    ):
        assert f"{wrong}:1: rum: there is no such key" in open_hive.run(*words).stderr
    done = manager(open_hive, "request-adopt", "damocles", "--file", str(wrong))
    assert "hive-m1nd: agent.toml, line 1: rum" in done.stderr
    sha = commit(open_hive, {"agent.toml": "rum = 1\n"})
    done = manager(open_hive, "request-spawn", "bob", sha)
    assert f"agent.toml of commit {sha[:12]}, line 1: rum" in done.stderr
    assert "deployed" not in done.stderr


def test_the_operator_proposes_without_a_manager(open_hive: HiveOnDisk) -> None:
    path = Path(open_hive.ok("init-config", "bob").strip())
    open_hive.ok("propose", "bob", "--yes", "--description", "mine")
    open_hive.until_state("bob", "running")
    sha = Repository(path).commit({"agent.toml": RUN + 'memory_max = "1G"\n'}, "more")
    row = json.loads(open_hive.ok("propose", "bob", sha[:8], "--json"))
    assert (row["kind"], row["requested_by"], row["fetched_sha"]) == (
        *("apply_commit", "operator"),
        sha,
    )
    assert approved(open_hive, row["id"])["status"] == "done"
