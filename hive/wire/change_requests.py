"""Requests of host.sock that change what agents are: reload, approvals, deploys.

Those from `pending` to `request_spawn` are compatible, line by line, with version 1 of the host
socket of the existing hyperhive; what they have besides is optional.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hive.wire.base import Body, Id, InputPaths, Name, PathText, Request, Text

Commit = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
"""The id of a commit, in hexadecimal digits, whole or the beginning of it."""

Most = Annotated[int, msgspec.Meta(ge=1, le=1000)]
"""A number of rows."""


class Pending(Request, tag="pending", kw_only=True, frozen=True):
    """Return the approvals that wait for the operator, oldest first, as `approvals`.

    Attributes:
        max: With it, the newest approvals in any state instead.
        before: With `max`, only those with a smaller number: that of the first approval gives the
            page before.
    """

    max: Most | None = None
    before: Id | None = None

    def __post_init__(self) -> None:
        """Refuse a page of what waits, which is always returned whole."""
        if self.before is not None and self.max is None:
            raise ValueError("'before' needs 'max'; what waits is returned whole")


class Approve(Request, tag="approve", kw_only=True, frozen=True):
    """Approve one approval; answered when the decision is on disk. Idempotent.

    Attributes:
        id: Its number.
        note: The reason of the decision.
        sha: The commit that the operator was shown; without it, the one that was submitted. Another
            one is refused.
    """

    id: Id
    note: Text | None = None
    sha: Commit | None = None


class Deny(Request, tag="deny", kw_only=True, frozen=True):
    """Deny one approval; the fields are those of `approve`."""

    id: Id
    note: Text | None = None
    sha: Commit | None = None


class RequestSpawn(Request, tag="request_spawn", kw_only=True, frozen=True):
    """Submit what was proposed for a new agent; return its `approval`.

    Attributes:
        name: Name of the new agent.
        commit_ref: The commit in its proposed repository; by default the newest.
        description: Words for whoever decides.
    """

    name: Name
    commit_ref: Commit | None = None
    description: Text | None = None


class InitConfig(Request, tag="init_config", kw_only=True, frozen=True):
    """Write a first proposed repository, which the manager may edit.

    The answer has its `path` and its first `commit`.

    Attributes:
        name: The agent, new or existing.
        template: "claude", "command", or an agent to copy; by default what the agent runs, for a
            new one "command".
    """

    name: Name
    template: Name | None = None


class History(Request, tag="history", kw_only=True, frozen=True):
    """Return what an agent ran, newest last, as `entries`, and what it runs as `runs`.

    Attributes:
        name: The agent; it may be gone.
        max: At most this many of the newest deploys.
        before: Only those with a smaller number: that of the first one gives the page before.
    """

    name: Name
    max: Most = 50
    before: Id | None = None


class ShowApproval(Request, tag="approval", kw_only=True, frozen=True):
    """Return one `approval` in any state, with its `content`, and what waits with it.

    Those are the `other_approvals` and `open_deploys` of the same participant, by number, and the
    number of its `unread` messages, which for a new agent wait for it.
    """

    id: Id


class ShowDiff(Request, tag="diff", kw_only=True, frozen=True):
    """Return what an approval changes, as a patch, in `diff`, and the commit as `sha`.

    Attributes:
        id: Its number.
        base: The commit to compare with; by default what ran before, or runs now.
    """

    id: Id
    base: Commit | None = None


class Audit(Request, tag="audit", kw_only=True, frozen=True):
    """Return the newest decisions and refusals, oldest first, as `entries`.

    Attributes:
        name: Only those about this participant.
        max: At most this many.
        before: Only those before this `seq`: that of the first entry gives the page before.
    """

    name: Name | None = None
    max: Most = 100
    before: Id | None = None


class ListDeploys(Request, tag="deploys", kw_only=True, frozen=True):
    """Return the newest deploys, oldest first, as `deploys`.

    Attributes:
        name: Only those of this agent.
        max: At most this many.
        before: Only those with a smaller number: that of the first deploy gives the page before.
    """

    name: Name | None = None
    max: Most = 50
    before: Id | None = None


class FollowDeploy(Request, tag="follow_deploy", kw_only=True, frozen=True):
    """Stream the output of a deploy from its beginning as `lines`, until it has ended.

    The last response has the ended `deploy`.
    """

    id: Id


class CancelDeploy(Request, tag="cancel_deploy", kw_only=True, frozen=True):
    """Cancel a deploy that has changed nothing yet; return the `deploy`."""

    id: Id


class Rollback(Request, tag="rollback", kw_only=True, frozen=True):
    """Deploy again what an agent ran before; return the queued `deploy`.

    Attributes:
        name: The agent; `*` for the inputs of all NixOS systems: the answer then has `approval`,
            which is approved, and agents keep their commits.
        id: The deploy to return to; without it, the last one with another commit. Of `*`, the
            deploy whose inputs to return to; without it, those before the newest update.
    """

    name: Name
    id: Id | None = None


class ListInputs(Request, tag="inputs", kw_only=True, frozen=True):
    """Return the inputs of the NixOS systems as they are locked, as `inputs`; see `InputRow`."""


class UpdateInputs(Request, tag="update_inputs", kw_only=True, frozen=True):
    """Lock newer inputs and submit them; return the `approval`.

    Attributes:
        inputs: Paths of inputs, as `inputs` names them; all of them if there are none.
        description: Words for whoever decides.
    """

    inputs: InputPaths = msgspec.field(default_factory=list)
    description: Text | None = None


class Reload(Request, tag="reload", kw_only=True, frozen=True):
    """Apply hive.toml as it is now; return what differed as `changes`, see `ChangeRow`.

    Attributes:
        dry_run: Change nothing.
        prune: Remove the participants that the file no longer has; their state and mail stay.
    """

    dry_run: bool = False
    prune: bool = False


class Release(Request, tag="release", kw_only=True, frozen=True):
    """Make an agent a peer, whose container runs on; answered when its socket listens.

    The answer has the `unit` of its container, and as `advice` what is to be changed in hive.toml;
    each is left out if there is none.
    """

    name: Name


class Adopt(Request, tag="adopt", kw_only=True, frozen=True):
    """Make a peer an agent, or submit that for approval.

    The answer has the `manifest` as text, `notes` about what it does not say, the `machine` that is
    taken over, and with `dry_run` the `refusal` that stands against it. Otherwise it has the
    `approval`, or with `approve`, once the agent runs, the `advice` as for `release`.

    Attributes:
        name: The peer.
        manifest: The text of an `agent.toml`; without one, that of hive.toml or of its container.
        manifest_path: The path of that text, which errors name; relative paths in it begin in its
            directory.
        driver: The driver of its harness, if the manifest is read from its container.
        run: The program for each message, in the same case.
        stop: Stop its container, which must be stopped to be taken over.
        dry_run: Change nothing.
        approve: Approve it at once.
    """

    name: Name
    manifest: Body | None = None
    manifest_path: PathText | None = None
    driver: Name | None = None
    run: Annotated[list[Text], msgspec.Meta(max_length=1000)] | None = None
    stop: bool = False
    dry_run: bool = False
    approve: bool = False


class Rename(Request, tag="rename", kw_only=True, frozen=True):
    """Give a peer or a stopped agent another name; the `advice` is as for `release`.

    Attributes:
        name: The participant.
        new: Its new name.
        restart: Stop an agent that runs, and start it again.
    """

    name: Name
    new: Name
    restart: bool = False


class ShowSettings(Request, tag="settings", kw_only=True, frozen=True):
    """Return the settings of a participant as they are in force, as `settings`.

    Of an agent, `log` says where its output is: a path, or a command line.
    """

    name: Name


ChangeRequest = (
    Reload
    | Release
    | Adopt
    | Rename
    | ShowSettings
    | Pending
    | Approve
    | Deny
    | RequestSpawn
    | InitConfig
    | History
    | ShowApproval
    | ShowDiff
    | Audit
    | ListDeploys
    | FollowDeploy
    | CancelDeploy
    | Rollback
    | ListInputs
    | UpdateInputs
)
"""All requests that change what agents are."""
