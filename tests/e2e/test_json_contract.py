"""What every verb really prints with `--json` is what its schema says, over a real daemon."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from hive.cli.json_contract import schema_of
from hive.cli.json_outputs import OUTPUTS
from hive.client.blocking import BlockingClient
from hive.errors import ExitStatus
from tests.support.daemons import PROGRAMS, HiveOnDisk, eventually
from tests.support.repositories import Repository
from tests.web.dashboard_process import DashboardProcess

TOML = """\
[limits]
pair_rate = 6
[manager]
exec = ["sleep", "100000"]
description = "the manager"
[agents.alice]
exec = ["sh", "-c", "echo started; sleep 100000"]
project = "parser"
[agents.echo]
run = ["cat"]
[agents.fay]
driver = "claude"
[peers.lab]
[peers.ann]
[peers.ben]
[peers.eve]
[peers.old]
"""

OPERATOR, AGENT, MANAGER = OUTPUTS

LINES: dict[tuple[str, str, str], str] = {
    (OPERATOR, "check", ""): "check {toml}",
    (OPERATOR, "reload", ""): "reload --dry-run",
    (OPERATOR, "model", ""): "model fay opus --effort high",
    (OPERATOR, "show", ""): "show alice",
    (OPERATOR, "pending", ""): "pending",
    (OPERATOR, "approval", ""): "approval {approval}",
    (OPERATOR, "audit", ""): "audit",
    (OPERATOR, "deploys", ""): "deploys",
    (OPERATOR, "deploys", "--follow"): "deploys --follow {deploy}",
    (OPERATOR, "history", ""): "history bob",
    (OPERATOR, "propose", ""): "propose bob {third}",
    (OPERATOR, "schedule", ""): "schedule alice 'every 2h' look --description why",
    (OPERATOR, "schedules", ""): "schedules",
    (OPERATOR, "list", ""): "list",
    (OPERATOR, "status", ""): "status",
    (OPERATOR, "status", "NAME"): "status alice",
    (OPERATOR, "status", "--watch"): "status --watch 60",
    (OPERATOR, "why", ""): "why alice",
    (OPERATOR, "timeline", ""): "timeline echo",
    (OPERATOR, "tree", ""): "tree",
    (OPERATOR, "attention", ""): "attention",
    (OPERATOR, "statusline", ""): "statusline",
    (OPERATOR, "send", ""): "send '*' hi",
    (OPERATOR, "send", "--wait"): "send echo hi --wait",
    (OPERATOR, "send", "@GROUP --wait"): "send @team hi --wait",
    (OPERATOR, "questions", ""): "questions",
    (OPERATOR, "inbox", ""): "inbox",
    (OPERATOR, "inbox", "--follow"): "inbox alice --follow",
    (OPERATOR, "search", ""): "search wanted",
    (OPERATOR, "trace", ""): "trace {dead}",
    (OPERATOR, "dead-letters", ""): "dead-letters",
    (OPERATOR, "loops", ""): "loops",
    (OPERATOR, "group", "list"): "group list",
    (OPERATOR, "queues", ""): "queues",
    (OPERATOR, "estop", ""): "estop bob",
    (OPERATOR, "thaw", ""): "thaw bob",
    (OPERATOR, "drain", ""): "drain bob --no-wait",
    (OPERATOR, "web-sessions", ""): "web-sessions",
    (OPERATOR, "register-peer", ""): "register-peer new",
    (OPERATOR, "release", ""): "release left",
    (OPERATOR, "adopt", ""): "adopt lab --dry-run -- cat",
    (OPERATOR, "rename", ""): "rename old older",
    (OPERATOR, "turns", ""): "turns echo",
    (OPERATOR, "watch", ""): "watch eve",
    (OPERATOR, "limits", ""): "limits",
    (OPERATOR, "overview", ""): "overview",
    (OPERATOR, "logs", ""): "logs alice",
    (OPERATOR, "logs", "--follow"): "logs alice --follow",
    (OPERATOR, "events", ""): "events",
    (OPERATOR, "events", "--follow"): "events --follow",
    (OPERATOR, "metrics", ""): "metrics",
    (OPERATOR, "doctor", ""): "doctor --db",
    (OPERATOR, "backup", ""): "backup {root}/copy.sqlite",
    (OPERATOR, "export", ""): "export {root}/exported",
    (AGENT, "send", ""): "send '*' hi",
    (AGENT, "send", "--wait"): "send echo hi --wait",
    (AGENT, "recv", ""): "recv --max 8",
    (AGENT, "wake", ""): "wake --from cron --body tick",
    (AGENT, "status", ""): "status",
    (AGENT, "whoami", ""): "whoami",
    (AGENT, "who", ""): "who",
    (AGENT, "receipts", ""): "receipts {dead}",
    (AGENT, "verify", ""): "verify {dead}",
    (AGENT, "ask", ""): "ask why?",
    (AGENT, "remind", ""): "remind look --delay 3600",
    (AGENT, "loose-ends", ""): "loose-ends",
    (MANAGER, "logs", ""): "logs alice",
    (MANAGER, "loose-ends", ""): "loose-ends",
    (MANAGER, "whoami", ""): "whoami",
    (MANAGER, "request-spawn", ""): "request-spawn dora {fresh}",
    (MANAGER, "request-apply-commit", ""): "request-apply-commit bob {fourth}",
    (MANAGER, "request-init-config", ""): "request-init-config emil",
    (MANAGER, "request-schedule", ""): "request-schedule alice 'every 3h' look",
    (MANAGER, "request-adopt", ""): "request-adopt lab -- cat",
    (MANAGER, "request-release", ""): "request-release alice",
}
"""A command line for each output, whose result is not empty; `{…}` is what the hive has."""

ELSEWHERE = {
    (OPERATOR, "update-inputs", ""),
    (OPERATOR, "update-inputs", "--check"),
    (MANAGER, "request-update-inputs", ""),
}
"""Outputs that take Nix: `tests/cli/test_json_outputs.py` has them with a scripted daemon."""

ENDLESS = {"--watch", "--follow"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path_factory.mktemp("json"))
    made.configure(TOML)
    made.start()
    web = DashboardProcess(made)
    web.start()
    web.log_in()
    yield made
    web.close()
    made.close()


@pytest.fixture(scope="module")
def facts(shared: HiveOnDisk) -> Iterator[dict[str, Any]]:
    """A hive with something of everything, and the numbers of some of it."""
    hive = shared
    hive.ok("spawn", "left", "--", "cat")
    for name in ("alice", "echo", "left"):
        hive.until_state(name, "running")
    eventually(lambda: "started" in hive.ok("logs", "alice"))
    hive.ok("pause", "fay")  # so that it begins no turn, which would need a login
    eventually(lambda: hive.status("fay")["connected"], what="the harness of fay")
    found = {"root": hive.root, "toml": hive.config, **deployed(hive)}
    hive.ok("group", "add", "team", "echo")
    hive.ok("send", "queue:build", "go")
    hive.ok("send", "lab", "wanted: a receiver", "--priority", "high")
    hive.ok("send", "echo", "hi", "--wait")
    hive.ok("send", "alice", "hi")
    hive.ok("schedule", "alice", "every 2h", "look")
    found["dead"] = dead_letter(hive)
    looped(hive)
    for words in (("ask", "why?", "--option", "so"), ("remind", "x", "--delay", "900")):
        assert hive.as_participant("lab", *words).returncode == 0
    hive.configure(TOML.replace('project = "parser"', 'project = "lexer"'))
    with BlockingClient(hive.socket_of("eve")) as harness:  # stays connected
        harness.call({"cmd": "hello", "role": "harness", "driver": "test"})
        harness.call({"cmd": "report", "state": "idle", "since": 1.0, "account": "a1"})
        harness.call(
            {"cmd": "limited", "account": "a1", "until": time.time() + 900, "reason": "used up"}
        )
        harness.call({"cmd": "live", "kind": "text", "text": "hello"})
        yield found


def deployed(hive: HiveOnDisk) -> dict[str, Any]:
    """Deploy a new agent from its repository, and propose another commit of it."""
    repository = Repository(Path(hive.ok("init-config", "bob", "--from", "echo").strip()))
    repository.commit({"agent.toml": 'run = ["cat"]\n'})
    hive.ok("propose", "bob", "--yes", "--description", "the first")
    eventually(lambda: hive.json("deploys")[0]["step"] == "deployed", what="a deploy")
    second, third, fourth = (
        repository.commit({"agent.toml": f'run = ["cat"]\ntime_limit = {limit}\n'})
        for limit in (90, 91, 92)
    )
    approval = hive.json("propose", "bob", second, "--description", "the second")["id"]
    fresh = Repository(Path(hive.ok("init-config", "dora", "--from", "echo").strip()))
    return {
        "fresh": fresh.commit({"agent.toml": 'run = ["cat"]\n'}),
        "third": third,
        "fourth": fourth,
        "approval": approval,
        "deploy": hive.json("deploys")[0]["id"],
    }


def dead_letter(hive: HiveOnDisk) -> int:
    """Let ann reject a message of lab, and return its id."""
    number = int(hive.as_participant("lab", "send", "ann", "no").stdout)
    with BlockingClient(hive.socket_of("ann")) as connection:
        connection.call({"cmd": "recv", "wait_seconds": 10})
        connection.call({"cmd": "nack", "id": number, "mode": "reject", "reason": "busy"})
    return number


def looped(hive: HiveOnDisk) -> None:
    """Let ann and ben write to each other until the loop guard stops them."""
    with (
        BlockingClient(hive.socket_of("ann")) as ann,
        BlockingClient(hive.socket_of("ben")) as ben,
    ):
        for _ in range(10):
            ann.call({"cmd": "send", "to": "ben", "body": "x"})
            ben.call({"cmd": "send", "to": "ann", "body": "x"})


def strict(schema: Any) -> Any:
    """Return a schema that refuses keys which it does not name."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(each) for key, each in schema.items()}
    return {**found, "additionalProperties": False} if "properties" in schema else found


def chosen(program: str, verb: str, when: str) -> dict[str, Any]:
    """Return the schema of one output of a verb."""
    schema = schema_of(f"{program} {verb}")
    if "anyOf" in schema and "title" in schema:
        at = [each.when for each in OUTPUTS[program][verb]].index(when)
        schema = {"$defs": schema.get("$defs", {}), **schema["anyOf"][at]}
    return dict(strict(schema))


def printed(hive: HiveOnDisk, program: str, words: list[str], when: str) -> list[Any]:
    """Run a command line and return the documents that it prints; of an endless one, the first."""
    socket = hive.socket_of({AGENT: "lab", MANAGER: "hm1nd"}.get(program, ""))
    env = {**hive.env, "HIVE_SOCKET": str(socket)}
    command = [PROGRAMS / program, words[0], "--json", *words[1:]]
    if words[0] == "watch" or (when in ENDLESS and words[0] != "deploys"):
        with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            process.terminate()
        return [json.loads(line)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=40)
    assert done.returncode == (ExitStatus.WAITING if words[0] == "attention" else 0), done.stderr
    assert done.stdout.isascii()
    if (
        program == OPERATOR
        and not next(e for e in OUTPUTS[program][words[0]] if e.when == when).is_stream
    ):
        return [json.loads(done.stdout)]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("output", LINES, ids=" ".join)
def test_what_is_printed_is_what_the_schema_says(
    shared: HiveOnDisk, facts: dict[str, Any], output: tuple[str, str, str]
) -> None:
    program, _, when = output
    line = LINES[output]
    words = shlex.split(line.format(**facts))
    documents = printed(shared, program, words, when)
    assert documents
    assert any(documents), "it is empty, so it shows nothing"
    validator = Draft202012Validator(chosen(*output))
    for each in documents:
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(each)]
        assert problems == [], each


def test_every_output_has_a_command_line() -> None:
    known = {
        (program, verb, output.when)
        for program, verbs in OUTPUTS.items()
        for verb, outputs in verbs.items()
        for output in outputs
    }
    shared = {each for each in known if each[0] == MANAGER and each[1] in OUTPUTS[AGENT]}
    assert LINES.keys() | ELSEWHERE <= known
    assert known - shared <= LINES.keys() | ELSEWHERE


def test_a_missing_or_unknown_key_would_be_found() -> None:
    validator = Draft202012Validator(chosen(OPERATOR, "register-peer", ""))
    assert validator.is_valid({"socket": "/run/x"})
    assert not validator.is_valid({})
    assert not validator.is_valid({"socket": "/run/x", "sokcet": 1})
    assert not validator.is_valid({"socket": None})
