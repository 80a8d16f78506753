"""Rows of responses about what agents are: approvals, the audit, deploys, reloads.

The rules of `hive.wire.rows` apply.
"""

from __future__ import annotations

from collections.abc import Sequence

from hive.wire.rows import Row, encoded_default


class ApprovalRow(Row, frozen=True, kw_only=True):
    """An approval. The first ten fields, in this order, are those of the existing host socket.

    Attributes:
        id: Its number.
        agent: The participant that it is about.
        kind: What is asked for.
        commit_ref: The commit that was submitted; empty for a kind without one.
        fetched_sha: The same, as it was imported.
        requested_at: When it was submitted.
        status: Its state.
        resolved_at: When it ended.
        note: The reason of the decision.
        description: The words of who asks.
        requested_by: The participant that asks.
        age_seconds: Seconds since it was submitted.
        base: The commit that ran when it was submitted.
        subject: The first line of the commit's message.
        author: The name that the commit gives for its author; not verified.
        expires_at: When its deadline is over.
        on_expiry: What happens then.
        decided_at: When it was decided.
        decided_by: Who decided.
        error: Why it could not be carried out.
        overdue: Whether its deadline is over and it still waits for a decision.
        content: What is asked for, as a text, for a kind without a commit; only of one approval.
        agents: The agents that it restarts, if it is about several.
    """

    id: int
    agent: str
    kind: str
    commit_ref: str
    fetched_sha: str | None = None
    requested_at: str
    status: str
    resolved_at: str | None = None
    note: str | None = None
    description: str | None = None
    requested_by: str
    age_seconds: float
    base: str | None = None
    subject: str | None = None
    author: str | None = None
    expires_at: str | None = None
    on_expiry: str
    decided_at: str | None = None
    decided_by: str | None = None
    error: str | None = None
    overdue: bool | None = None
    content: str | None = None
    agents: Sequence[str] | None = None


class AuditRow(Row, frozen=True, kw_only=True):
    """A decision, or one that was refused.

    Attributes:
        seq: Its place in the order.
        at: When.
        verb: What was done or tried.
        outcome: "done" or "refused".
        name: The participant that it is about.
        by: Who did it.
        socket: By which socket.
        pid: The process at its other end, when it connected.
        uid: The user of that process.
        gid: The group of that process.
        via: For whom that process asked, in its own words: a session of the dashboard.
        approval: The approval that was decided.
        sha: The commit that was decided about.
        reason: The reason that was given, why it was refused, or which items an act was about.
    """

    seq: int
    at: str
    verb: str
    outcome: str
    name: str | None = None
    by: str
    socket: str | None = None
    pid: int | None = None
    uid: int | None = None
    gid: int | None = None
    approval: int | None = None
    sha: str | None = None
    reason: str | None = None
    via: str | None = None


class DeployRow(Row, frozen=True, kw_only=True):
    """A deploy.

    Attributes:
        id: Its number.
        name: The agent; `*` if there are several.
        source: "approval", "rollback", "rebuild" or "inputs".
        sha: The commit, or the digest of the lock.
        step: Its step.
        queued_at: When it was requested.
        approval: The approval that it carries out.
        previous: The commit that ran before.
        started_at: When its first step began.
        ended_at: When it ended.
        error: Why it failed.
        agents: The agents, if there are several.
        waits: What it waits for, as a sentence: the thaw of an agent; None if it goes on.
    """

    id: int
    name: str
    source: str
    sha: str
    step: str
    queued_at: str
    approval: int | None = None
    previous: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    error: str | None = None
    agents: Sequence[str] | None = None
    waits: str | None = None


class InputRow(Row, frozen=True, kw_only=True):
    """An input of the NixOS systems, as it is locked.

    Attributes:
        name: Its path: "nixpkgs", or "agent-NAME/INPUT" for one of an agent's own flake.
        reference: The flake reference that it was locked from.
        revision: The commit that it is locked to, else the hash of its files.
        modified_at: When that was made.
        age_seconds: Seconds since then.
        stale: Whether that is long ago, or hive.toml names another reference.
        wanted: That other reference.
    """

    name: str
    reference: str
    revision: str | None = None
    modified_at: str | None = None
    age_seconds: float | None = None
    stale: bool
    wanted: str | None = None


class HistoryRow(Row, frozen=True, kw_only=True):
    """What an agent ran, or was to run.

    Attributes:
        deploy: The number of the deploy.
        source: Why it was deployed: "approval", "rollback" or "rebuild".
        sha: The commit.
        outcome: Its step: "deployed", "failed", "cancelled", or one of a deploy that goes on.
        queued_at: When it was requested.
        ended_at: When it ended.
        approval: The approval.
        requested_by: Who asked for that.
        description: The words of who asked.
        subject: The first line of the message of the commit.
        decided_by: Who decided.
        error: Why it failed.
        runs: Whether the agent runs this commit since this deploy.
    """

    deploy: int
    source: str
    sha: str
    outcome: str
    queued_at: str
    ended_at: str | None = None
    approval: int | None = None
    requested_by: str | None = None
    description: str | None = None
    subject: str | None = None
    decided_by: str | None = None
    error: str | None = None
    runs: bool | None = None


class ChangeRow(Row, frozen=True, kw_only=True):
    """A difference between hive.toml and the hive.

    Attributes:
        table: The table of hive.toml.
        name: The participant; absent for a setting of the hive.
        difference: "new", "changed" or "left over".
        effect: "now", "at restart", "at the daemon's restart", "at the dashboard's restart" or
            "with --prune".
        keys: The keys that differ, each as `key: before -> after`.
    """

    table: str
    name: str | None = None
    difference: str
    effect: str
    keys: Sequence[str] = encoded_default(list)


class SettingRow(Row, frozen=True, kw_only=True):
    """A setting of a participant.

    Attributes:
        key: The key, with the tables around it.
        value: Its value as JSON; absent for none. Secrets are not shown.
        source: Where it comes from: "default", "hive.toml", "[restart]", "agent.toml of COMMIT" …
    """

    key: str
    value: str | None = None
    source: str
