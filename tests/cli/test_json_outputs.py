"""The contract of `--json`: its page, its tables, its names, and what is filled in.

What the real programs print is compared with it in `tests/e2e/test_json_contract.py`.
"""

from __future__ import annotations

import json
import re

import click
import msgspec
import pytest
from jsonschema import Draft202012Validator

from hive.cli.json_contract import (
    all_structs,
    defaults_of,
    meanings_of,
    nested_of,
    row_of,
    schema_of,
    schemas_of,
)
from hive.cli.json_outputs import OUTPUTS
from hive.cli.json_types import SentMessage
from hive.cli.program import cli
from hive.client.json_keys import DEFAULTS, NESTED
from hive.client.json_rows import complete
from hive.errors import ExitStatus
from hive.harness.cli.verb_groups import agent, manager
from hive.wire import change_requests
from hive.wire.change_rows import ApprovalRow, InputRow
from hive.wire.rows import Stored
from tests.json_page import PAGE, page

STRUCTS = {each.__name__: each for each in all_structs()}

PROGRAMS: dict[str, click.Group] = {"hive-c0re": cli, "hive-ag3nt": agent, "hive-m1nd": manager}


def test_the_page_is_what_the_types_say():
    assert PAGE.read_text() == page(), "python -m tests.json_page --write"


def test_the_tables_are_what_the_types_say():
    assert {name: defaults_of(each) for name, each in STRUCTS.items()} == DEFAULTS
    assert {name: found for name, each in STRUCTS.items() if (found := nested_of(each))} == NESTED
    for name, defaults in DEFAULTS.items():
        assert list(defaults) == list(defaults_of(STRUCTS[name])), "the order is that of the wire"


@pytest.mark.parametrize("program", PROGRAMS)
def test_each_verb_with_json_has_a_schema_and_no_other(program):
    group = PROGRAMS[program]
    context = click.Context(group)
    with_json = {
        verb
        for verb in group.list_commands(context)
        if any(option.name == "as_json" for option in group.get_command(context, verb).params)
    }
    assert OUTPUTS[program].keys() == with_json
    for verb in with_json:
        Draft202012Validator.check_schema(schema_of(f"{program} {verb}"))


def test_all_keys_are_in_one_naming_and_have_a_meaning():
    for struct in STRUCTS.values():
        for key in defaults_of(struct):
            assert re.fullmatch(r"[a-z]+(_[a-z]+)*", key), (struct, key)
        assert meanings_of(struct).keys() == defaults_of(struct).keys(), struct


def test_every_key_is_required_in_every_schema():
    _, components = schemas_of(STRUCTS.values())
    assert components.keys() >= STRUCTS.keys()
    for schema in (components[name] for name in STRUCTS):
        assert schema["required"] == list(schema["properties"])


def test_the_document_of_a_send_has_the_fields_of_the_wire():
    wire = {each.encode_name for each in msgspec.structs.fields(Stored)} - {"ok", "req"}
    assert defaults_of(SentMessage).keys() == wire


def test_absent_keys_get_their_defaults_at_every_depth():
    tree = {"path": "a", "kind": "actor", "state": "up", "children": [{"path": "a/b"}]}
    found = complete(tree, "TreeRow")
    assert list(found) == list(DEFAULTS["TreeRow"])
    assert (found["last_exit"], found["restarts"]) == (None, 0)
    assert found["children"][0] == {**DEFAULTS["TreeRow"], "path": "a/b"}
    assert complete([{"id": 1}, {"id": 2}], "StoredItem") == [{"id": 1}, {"id": 2}]
    assert complete({"message": None}, "MessageTrace")["message"] is None


def test_what_a_newer_daemon_has_besides_stays_and_the_response_goes():
    found = complete({"version": 1, "ok": True, "req": 7, "unread": 3, "fresh": 1}, "UnreadCount")
    assert found == {"unread": 3, "fresh": 1}
    assert complete({"ok": True, "agents": 1}, "CheckResult")["ok"] is True


@pytest.mark.parametrize(
    ("words", "row"), [(("update-inputs",), ApprovalRow), (("update-inputs", "--check"), InputRow)]
)
def test_the_output_of_an_update_of_inputs(daemon, hive, words, row):
    approval = ApprovalRow(
        id=3,
        agent="*",
        kind="inputs",
        commit_ref="",
        fetched_sha="ab" * 20,
        requested_at="2026-05-01T14:00:00.000Z",
        status="pending",
        requested_by="operator",
        age_seconds=1.5,
        on_expiry="hold",
    )
    known = InputRow(name="nixpkgs", reference="flake:nixpkgs", stale=False)
    daemon.on(change_requests.UpdateInputs, {"approval": approval})
    daemon.on(change_requests.ShowDiff, {"diff": "x"})
    daemon.on(change_requests.ListInputs, {"inputs": [known]})
    found = json.loads(hive(*words, "--json").out)
    rows = found if isinstance(found, list) else [found]
    assert [list(each) for each in rows] == [list(defaults_of(row))]
    assert Draft202012Validator(schema_of("update-inputs")).is_valid(found)


def test_schema_prints_the_schema_of_a_verb_of_any_program(hive):
    found = json.loads(hive("schema", "--json-of", "inbox").out)
    assert found["title"] == "inbox"
    assert [each["title"] for each in found["anyOf"]] == ["inbox", "inbox --follow, each line"]
    found = json.loads(hive("schema", "--json-of", "hive-ag3nt recv").out)
    assert (found["title"], found["$ref"]) == ("hive-ag3nt recv, each line", "#/$defs/Delivery")


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("status NAME", "status NAME"),
        ("status --watch", "status --watch, each line"),
        ("group list", "group list"),
        ("hive-m1nd send --wait", "hive-m1nd send --wait, each line"),
    ],
)
def test_schema_prints_one_output_of_a_verb_by_its_words_of_the_page(hive, words, title):
    found = json.loads(hive("schema", "--json-of", words).out)
    assert (found["title"], "anyOf" in found) == (title, False)


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        ("stauts", "no verb 'stauts' prints JSON; did you mean 'status'?"),
        ("start", "no verb 'start' prints JSON"),
        ("recv", "no verb 'recv' prints JSON; 'hive-ag3nt recv' and 'hive-m1nd recv' do"),
        ("status nosuch", "no verb 'status nosuch' prints JSON"),
        ("nosuch recv", "no verb 'nosuch recv' prints JSON"),
    ],
)
def test_a_verb_without_json_has_no_schema(hive, verb, sentence):
    ran = hive("schema", "--json-of", verb)
    assert (ran.status, ran.out) == (ExitStatus.UNKNOWN_NAME, "")
    assert sentence in ran.err


def test_an_output_is_of_one_kind_of_object():
    rows = {
        row_of(each) for verbs in OUTPUTS.values() for found in verbs.values() for each in found
    }
    assert rows - {None} <= DEFAULTS.keys()
