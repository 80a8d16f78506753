"""First configurations: a proposed repository that the manager, or a person, may then edit.

Nothing runs from it: what the manager makes of it comes back as a commit, which is approved by
itself. Secrets of a manifest are left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from hive.approvals.approval_queue import ApprovalQueue
from hive.approvals.terms import Terms
from hive.clock import Clock
from hive.config import MANIFEST_FILE, AgentManifest
from hive.config.toml_text import manifest_values, to_toml
from hive.errors import ConflictError, NotAllowedError
from hive.git.new_repository import FirstCommit
from hive.git.proposed import description_of
from hive.git.repositories import Repositories
from hive.git.tree_check import EXECUTABLE, Entry
from hive.names import MANAGER, check_agent_name
from hive.participants.manifest_changes import SECRET, masked
from hive.participants.participant import Agent, Peer
from hive.participants.registry import Registry
from hive.store.approvals import Approval, ApprovalKind

COMMAND, CLAUDE = "command", "claude"
"""Templates that are no agents."""

_ANSWER = b"""\
#!/bin/sh
# It gets one message on standard input; what it prints is the answer.
cat
"""

_HEAD = "# The configuration of {name}: edit it, commit, and submit the commit.\n"


@frozen
class FirstConfig:
    """A first configuration that was written.

    Attributes:
        path: The proposed repository.
        commit: Its only commit.
    """

    path: Path
    commit: str


class FirstConfigs:
    """Writes first configurations, and asks for them.

    Args:
        repositories: The repositories of agents.
        approvals: What waits for the operator.
        registry: The participants.
        clock: Wall time.
    """

    def __init__(
        self,
        repositories: Repositories,
        approvals: ApprovalQueue,
        registry: Registry,
        clock: Clock,
    ) -> None:
        self._repositories = repositories
        self._approvals = approvals
        self._registry = registry
        self._clock = clock

    async def write(self, name: str, template: str | None = None) -> FirstConfig:
        """Write the proposed repository of an agent.

        Args:
            name: The agent, new or existing.
            template: "claude", "command" or the agent to copy; None for what it runs, or "command"
                for a new one.

        Raises:
            BadRequestError: No agent can have that name.
            ConflictError: It has a proposed repository already.
            NotAllowedError: It is a peer, or one is to be copied.
            UnknownNameError: There is no agent to copy.
        """
        name, template = await self._checked(name, template)
        return await self._write(name, template, f"the first configuration of {name}")

    async def ask(self, name: str, template: str | None, terms: Terms) -> Approval:
        """Submit a first configuration for approval.

        Raises:
            HiveError: See `write`; or it waits already.
        """
        name, template = await self._checked(name, template)
        detail = {"subject": f"a first configuration, {_words(name, template)}", "from": template}
        draft = terms.draft(ApprovalKind.INIT_CONFIG, name, self._clock.now(), detail)
        return await self._approvals.submit(draft, terms.origin)

    async def carry_out(self, approval: Approval) -> None:
        """Write the first configuration of an approval. Idempotent.

        Raises:
            HiveError: See `write`.
        """
        mark = f"the first configuration of {approval.name}, approval {approval.id}"
        path = self._repositories.proposed(approval.name)
        if await asyncio.to_thread(description_of, path) == mark:
            return  # an earlier daemon has written it
        name, template = await self._checked(approval.name, approval.details["from"])
        await self._write(name, template, mark)

    async def _checked(self, name: str, template: str | None) -> tuple[str, str]:
        """Return the name of the agent, and what its configuration comes from."""
        is_known = name in self._registry
        if is_known and isinstance(self._registry.get(name), Peer):
            raise NotAllowedError(
                f"{name!r} is a peer, which has no configuration here; 'adopt' makes it an agent"
            )
        if not is_known and name != MANAGER:
            check_agent_name(name)
        path = self._repositories.proposed(name)
        if await asyncio.to_thread(path.is_symlink) or await asyncio.to_thread(path.exists):
            raise ConflictError(f"{path} exists already; edit it there, or take it away first")
        template = template or (name if is_known else COMMAND)
        if template not in {COMMAND, CLAUDE}:
            template = self._registry.to_copy(template).name
        return name, template

    async def _write(self, name: str, template: str, description: str) -> FirstConfig:
        first = FirstCommit(
            await self._files(name, template),
            f"First configuration of {name}, {_words(name, template)}\n",
            description,
            int(self._clock.now()),
        )
        sha = await self._repositories.write_first(name, first)
        return FirstConfig(self._repositories.proposed(name), sha)

    async def _files(self, name: str, template: str) -> list[tuple[Entry, bytes]]:
        head = _HEAD.format(name=name)
        if template == CLAUDE:
            return [_file(MANIFEST_FILE, f'{head}driver = "claude"\n'.encode())]
        if template == COMMAND:
            manifest = _file(MANIFEST_FILE, f'{head}run = ["./answer.sh"]\n'.encode())
            return [manifest, _file("answer.sh", _ANSWER, EXECUTABLE)]
        agent = self._registry.agent(template)
        if agent.record.applied is not None:
            return await self._repositories.applied(agent.name).files(agent.record.applied)
        return [_file(MANIFEST_FILE, (head + manifest_text(agent)).encode())]


def manifest_text(agent: Agent) -> str:
    """Return the manifest of an agent as an `agent.toml`, with a comment for each secret left out.

    Args:
        agent: An agent whose manifest comes from no repository.
    """
    values, left_out = without_secrets(agent.settings)
    comments = [f"# {key} is left out: it may be a secret.\n" for key in left_out]
    return "".join(comments) + to_toml(values)


def without_secrets(manifest: AgentManifest) -> tuple[dict[str, Any], list[str]]:
    """Return the TOML values of a manifest without its secrets, and the keys of those."""
    values = manifest_values(manifest)
    left_out = [key for key, value in _flat("", masked("", values)) if value == SECRET]
    return _without(values, "", frozenset(left_out)), left_out


def _without(values: Mapping[str, Any], path: str, keys: frozenset[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        inner = f"{path}.{key}" if path else key
        if inner not in keys:
            found[key] = _without(value, inner, keys) if isinstance(value, dict) else value
    return found


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{path}.{key}" if path else key, item)
    else:
        yield path, value


def _file(path: str, content: bytes, mode: str = "100644") -> tuple[Entry, bytes]:
    return Entry(mode, "", len(content), path), content


def _words(name: str, template: str) -> str:
    """Return where a configuration comes from, in words."""
    if template in {COMMAND, CLAUDE}:
        return f"from the template {template!r}"
    return "of what it runs" if template == name else f"a copy of {template!r}"
