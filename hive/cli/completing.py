"""Shell completion of `hive-c0re`: the words that a verb can act on, as the daemon knows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

from hive.names import GROUP_PREFIX, MANAGER, MANAGER_ALIAS, OPERATOR, QUEUE_PREFIX, driver_names
from hive.shell_completion import SECONDS, Words, matching
from hive.view.attention_lines import KIND_OF_ACTION

Row = Mapping[str, Any]


def complete_names(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the names that a verb can act on and that begin as typed; each is offered once."""
    return matching(context, _offered(context, parameter, _participants), typed)


def complete_numbers(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the numbers that a verb can act on, by default of the approvals that wait."""
    return matching(context, _offered(context, parameter, _ids("pending", "approvals")), typed)


def complete_kinds(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the kinds of events that begin as typed."""
    from hive.wire.enums import EventKind

    return matching(context, lambda _: map(str, EventKind), typed)


def complete_columns(
    context: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Return the columns of the status table that begin as typed after the last comma."""
    from hive.view.chosen_columns import BY_NAME, WIDE

    before, comma, begun = typed.rpartition(",")
    used = {*before.split(",")}
    words = [*BY_NAME] if comma or parameter.name != "columns" else [*BY_NAME, WIDE]
    offered = [word for word in words if word.startswith(begun) and word not in used]
    return [CompletionItem(f"{before}{comma}{word}") for word in offered]


def _offered(context: click.Context, parameter: click.Parameter, default: Words) -> Words:
    """Return what the table has for a parameter of a verb, or for the verb."""
    verb = context.command.name or ""
    return _OFFERED.get(f"{verb} {parameter.name}") or _OFFERED.get(verb) or default


def _agents(context: click.Context) -> list[str]:
    return list(_ask("list").get("agents", ()))


def _other_agents(context: click.Context) -> list[str]:
    return [name for name in _agents(context) if name != MANAGER]


def _peers(context: click.Context) -> list[str]:
    return list(_ask("list").get("peers", ()))


def _participants(context: click.Context) -> list[str]:
    found = _ask("list")
    return [*found.get("agents", ()), *found.get("peers", ())]


def _inboxes(context: click.Context) -> list[str]:
    return [*_participants(context), OPERATOR]


def _recipients(context: click.Context) -> list[str]:
    names = _inboxes(context)
    if MANAGER in names:
        names.append(MANAGER_ALIAS)
    found = _ask("queues")
    names += [f"{GROUP_PREFIX}{row['name']}" for row in found.get("groups", ())]
    return names + [f"{QUEUE_PREFIX}{row['name']}" for row in found.get("queues", ())]


def _drivers(context: click.Context) -> Iterable[str]:
    return driver_names()


def _models(context: click.Context) -> Iterable[str]:
    from hive.view.model_choice import DEFAULT
    from hive.wire.claude import MODEL_ALIASES

    return (*MODEL_ALIASES, DEFAULT)


def _efforts(context: click.Context) -> Iterable[str]:
    from hive.view.model_choice import EFFORTS

    return EFFORTS


def _verbs_with_json(context: click.Context) -> Iterable[str]:
    from hive.cli.json_outputs import OUTPUTS

    return OUTPUTS["hive-c0re"]


def _templates(context: click.Context) -> list[str]:
    return ["claude", "command", *_agents(context)]


def _agents_that(fits: Callable[[Row], bool]) -> Words:
    """Return what offers the agents whose status row fits."""

    def offered(context: click.Context) -> list[str]:
        rows = _ask("agent_status").get("agent_statuses", ())
        return [row["name"] for row in rows if row.get("kind") != "peer" and fits(row)]

    return offered


def _listens(context: click.Context) -> list[str]:
    """Return the participants with a harness that takes orders."""
    rows = _ask("agent_status").get("agent_statuses", ())
    return [row["name"] for row in rows if row.get("connected")]


def _ids(cmd: str, field: str, key: str = "id", **given: Any) -> Words:
    """Return what offers a key of each row in the response to a request."""
    return lambda context: [str(row[key]) for row in _ask(cmd, **given).get(field, ())]


def _items(context: click.Context) -> list[str]:
    """Return the items that an action settles; for a mark, all items and participants."""
    kind = KIND_OF_ACTION.get(str(context.params.get("action")))
    rows = _ask("attention").get("items", ())
    ids = [str(row["id"]) for row in rows if kind in {None, row["kind"]}]
    return [*ids, *_participants(context)] if kind is None else ids


def _members(context: click.Context) -> list[str]:
    """Return who can be added to a group, or its members, who can be removed."""
    group = str(context.params.get("name") or "").removeprefix(GROUP_PREFIX)
    members: list[str] = _ask("groups").get("groups", {}).get(group, [])
    if context.params.get("change") == "remove":
        return members
    return [name for name in _participants(context) if name not in members]


def _groups(context: click.Context) -> list[str]:
    return list(_ask("groups").get("groups", {}))


def _looped(context: click.Context) -> list[str]:
    """Return the names of a pair that looped; with one on the line, those who did with it."""
    one = context.params.get("one")
    pairs = [row["pair"] for row in _ask("loops").get("loops", ())]
    return list(dict.fromkeys(name for pair in pairs if one in {None, *pair} for name in pair))


def _deploys_of_agent(context: click.Context) -> list[str]:
    name = context.params.get("name")
    return [str(row["deploy"]) for row in _ask("history", name=name).get("entries", ())]


def _open_deploys(context: click.Context) -> list[str]:
    rows = _ask("deploys").get("deploys", ())
    return [str(row["id"]) for row in rows if not row.get("ended_at")]


def _web_sessions(context: click.Context) -> list[str]:
    from hive.base_directories import web_socket
    from hive.client import blocking

    found = blocking.call(web_socket(), {"cmd": "sessions"}, SECONDS)
    return [str(row["id"]) for row in found["sessions"]]


def _nothing(context: click.Context) -> list[str]:
    return []


def _ask(cmd: str, **fields: Any) -> dict[str, Any]:
    from hive.cli.requests import call

    return call(cmd, timeout=SECONDS, **fields)


_UP = frozenset({"running", "starting"})
"""States of agents that a start would leave as they are."""

_OFFERED: dict[str, Words] = {
    **dict.fromkeys(("restart", "rebuild", "drain", "logs", "rollback", "deploys"), _agents),
    "start": _agents_that(lambda row: row.get("state") not in _UP),
    **dict.fromkeys(("stop", "kill"), _agents_that(lambda row: row.get("state") != "stopped")),
    "pause": _agents_that(lambda row: not row.get("paused")),
    "resume": _agents_that(lambda row: bool(row.get("paused"))),
    **dict.fromkeys(("attach", "shell"), _agents_that(lambda row: bool(row.get("running")))),
    **dict.fromkeys(("cancel", "new-session", "watch"), _listens),
    "model": _agents_that(lambda row: bool(row.get("connected"))),
    "model model": _models,
    "model effort": _efforts,
    **dict.fromkeys(("destroy", "release"), _other_agents),
    "estop": _agents_that(lambda row: not row.get("frozen_since")),
    "thaw": _agents_that(lambda row: bool(row.get("frozen_since"))),
    **dict.fromkeys(("unregister-peer", "adopt"), _peers),
    **dict.fromkeys(("spawn", "register-peer", "rename new"), _nothing),
    **dict.fromkeys(("spawn driver", "adopt driver"), _drivers),
    "schema verb": _verbs_with_json,
    **dict.fromkeys(("spawn template", "init-config template"), _templates),
    **dict.fromkeys(("inbox", "search sender", "search of_inbox"), _inboxes),
    **dict.fromkeys(("dead-letters inbox", "replay inbox", "discard inbox"), _inboxes),
    **dict.fromkeys(("dead-letters sender", "replay sender", "discard sender"), _inboxes),
    "send": _recipients,
    "remove-queue": _ids("queues", "queues", "name"),
    "attention key": _items,
    "group name": _groups,
    "group members": _members,
    "reset-loop": _looped,
    "answer": _ids("questions", "questions"),
    **dict.fromkeys(
        ("dead-letters ids", "replay ids", "discard ids"), _ids("dead_letters", "messages")
    ),
    "rollback number": _deploys_of_agent,
    "deploys cancelled": _open_deploys,
    "deploys followed": _ids("deploys", "deploys"),
    "schedules cancelled": _ids("schedules", "schedules"),
    "limits clear": _ids("limits", "limits", "account"),
    "web-sessions numbers": _web_sessions,
    "update-inputs inputs": _ids("inputs", "inputs", "name"),
}
"""What can be given to each verb, or to one of its parameters; any participant for the others."""
