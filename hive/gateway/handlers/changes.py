"""Handlers of host.sock that change what agents are: reload, approvals, deploys."""

from __future__ import annotations

from hive.approvals.approval_queue import Decider
from hive.approvals.decisions import OperatorChoice
from hive.clock import rfc3339
from hive.deploys.input_updates import input_diff
from hive.deploys.proposals import Proposal
from hive.deploys.steps import awaited_thaw
from hive.gateway.dispatch import Fields, Push, Stream, serves
from hive.gateway.handlers.approval_content import content_of
from hive.gateway.handlers.services import OperatorConnection
from hive.gateway.history_rows import history_rows
from hive.gateway.rows import approval_row
from hive.machines.entrance import log_of
from hive.names import EVERYONE, OPERATOR
from hive.participants.participant import Agent
from hive.participants.reload_plan import Change
from hive.participants.settings import settings_of, source_of
from hive.store import Kind, ParticipantRecord, audit, past_deploys
from hive.store import deploys as deploy_table
from hive.store.approvals import Approval, ApprovalKind
from hive.store.audit import AuditEntry
from hive.store.deploys import Deploy
from hive.wire import change_requests as wire
from hive.wire.change_rows import ApprovalRow, AuditRow, ChangeRow, DeployRow, SettingRow


class ChangeHandlers(OperatorConnection):
    """The verbs by which the operator decides what agents are."""

    __slots__ = ()

    @serves(wire.Reload)
    async def _reload(self, request: wire.Reload) -> Fields:
        plan = await self.services.reload(request.dry_run, request.prune)
        return {"changes": [_change_row(each) for each in plan.changes]}

    @serves(wire.ShowSettings)
    def _settings(self, request: wire.ShowSettings) -> Fields:
        record = self.services.registry.get(request.name).record
        found = settings_of(record, self.services.config())
        return {
            "name": record.name,
            "settings": [
                SettingRow(key=each.key, value=each.value, source=each.source) for each in found
            ],
            "log": self._log_of(record),
        }

    def _log_of(self, record: ParticipantRecord) -> str | None:
        """Return where the output of an agent is; None for a peer."""
        if record.kind is Kind.PEER:
            return None
        path = self.services.paths.agent_log(record.name)
        return log_of(str(self.services.runtime()["runtime"]), record.name, path)

    @serves(wire.Pending)
    async def _pending(self, request: wire.Pending) -> Fields:
        queue = self.services.approvals
        if request.max is None:
            return {"approvals": [self._row(each) for each in queue.pending]}
        found = await queue.newest(request.max, request.before)
        return {"approvals": [self._row(each) for each in found]}

    @serves(wire.ShowApproval)
    async def _show(self, request: wire.ShowApproval) -> Fields:
        approval = await self.services.approvals.get(request.id)
        row = approval_row(approval, self.services.clock.now(), content_of(approval))
        return {"approval": row, **self._behind(approval)}

    def _behind(self, approval: Approval) -> Fields:
        """Return what waits with an approval: others, deploys, and mail for a new agent."""
        services, name = self.services, approval.name
        others = [each.id for each in services.approvals.about(name) if each.id != approval.id]
        deploys = [each.id for each in services.deploys.open_of(name)]
        return {
            "other_approvals": others,
            "open_deploys": deploys,
            "unread": services.mail.unread(name),
        }

    @serves(wire.Approve, wire.Deny)
    async def _decide(self, request: wire.Approve | wire.Deny) -> Fields:
        agrees = isinstance(request, wire.Approve)
        decided = await self.services.approvals.decide(
            request.id,
            OperatorChoice.APPROVE if agrees else OperatorChoice.DENY,
            Decider(self.origin),
            sha=request.sha,
            note=request.note,
        )
        return {"approval": self._row(decided)}

    @serves(wire.RequestSpawn)
    async def _request_spawn(self, request: wire.RequestSpawn) -> Fields:
        proposals = self.services.proposals
        commit = request.commit_ref or await proposals.newest_commit(request.name)
        proposal = Proposal(request.name, commit, OPERATOR, request.description, origin=self.origin)
        return {"approval": self._row(await proposals.propose(proposal))}

    @serves(wire.InitConfig)
    async def _init_config(self, request: wire.InitConfig) -> Fields:
        written = await self.services.first_configs.write(request.name, request.template)
        return {"path": str(written.path), "commit": written.commit}

    @serves(wire.History)
    async def _history(self, request: wire.History) -> Fields:
        name, registry, store = request.name, self.services.registry, self.services.store
        past = await store.read(past_deploys.newest(name, request.max, request.before))
        is_agent = name in registry and isinstance(registry.get(name), Agent)
        is_further = request.before is not None  # who has the page after it knows the name
        if name not in registry and not past and not is_further:
            await self._require_known(name)
        if not is_agent and (past or is_further or name not in registry):
            # It was destroyed or released, or its first deploy has not ended.
            return {"name": name, "entries": history_rows(past, None)}
        record = registry.agent(name).record
        current = await store.read(past_deploys.running(record.name, record.applied))
        rows = history_rows(past, current)
        return {"name": record.name, "entries": rows, "runs": source_of(record)}

    @serves(wire.ShowDiff)
    async def _diff(self, request: wire.ShowDiff) -> Fields:
        approval = await self.services.approvals.get(request.id)
        if approval.kind is ApprovalKind.UPDATE_INPUTS:
            diff = input_diff(approval)
        else:
            deployed = await self.services.store.read(deploy_table.carried_out(approval.id))
            diff = await self.services.proposals.diff(approval, request.base, deployed)
        return {"diff": diff, "sha": approval.sha}

    @serves(wire.Audit)
    async def _audit(self, request: wire.Audit) -> Fields:
        name, before = request.name, request.before
        found = await self.services.store.read(audit.newest(request.max, name, before))
        if name is not None and before is None and not found:
            self.services.registry.get(name)
        return {"entries": [_audit_row(each) for each in found]}

    @serves(wire.ListDeploys)
    async def _deploys(self, request: wire.ListDeploys) -> Fields:
        name, before = request.name, request.before
        found = await self.services.store.read(deploy_table.newest(request.max, name, before))
        if name is not None and before is None and not found:
            await self._require_known(name)
        return {"deploys": [self._deploy_row(each) for each in found]}

    @serves(wire.FollowDeploy)
    def _follow(self, request: wire.FollowDeploy) -> Stream:
        deploys = self.services.deploys

        async def run(push: Push) -> None:
            async for lines in deploys.follow(request.id):
                await push({"lines": lines})
            ended = await deploys.wait_ended(await deploys.get(request.id))
            await push({"deploy": self._deploy_row(ended)})

        return Stream(run)

    @serves(wire.CancelDeploy)
    async def _cancel(self, request: wire.CancelDeploy) -> Fields:
        cancelled = await self.services.deploys.cancel(request.id, "the operator cancelled it")
        return {"deploy": self._deploy_row(cancelled)}

    @serves(wire.Rollback)
    async def _roll_back(self, request: wire.Rollback) -> Fields:
        if request.name == EVERYONE:
            approved = await self.services.inputs.roll_back(request.id, Decider(self.origin))
            return {"approval": self._row(approved)}
        queued = await self.services.deploys.roll_back(request.name, request.id)
        return {"deploy": self._deploy_row(queued)}

    async def _require_known(self, name: str) -> None:
        """Raise UnknownNameError for a name that nobody has and nothing was decided about.

        The agent of an approval that was just granted has neither a row nor a deploy yet.
        """
        if not await self.services.store.read(audit.newest(1, name)):
            self.services.registry.get(name)

    def _deploy_row(self, deploy: Deploy) -> DeployRow:
        agents = [agent.record for agent in self.services.registry.agents]
        return _deploy_row(deploy, awaited_thaw(deploy, agents))

    def _row(self, approval: Approval) -> ApprovalRow:
        return approval_row(approval, self.services.clock.now())


def _change_row(change: Change) -> ChangeRow:
    return ChangeRow(
        table=change.table,
        name=change.name,
        difference=change.difference.value,
        effect=change.effect.value,
        keys=list(map(str, change.keys)),
    )


def _audit_row(entry: AuditEntry) -> AuditRow:
    return AuditRow(
        seq=entry.seq,
        at=rfc3339(entry.at),
        verb=entry.verb,
        outcome="done" if entry.done else "refused",
        name=entry.subject or None,
        by=entry.actor,
        socket=entry.origin.socket or None,
        pid=entry.origin.pid,
        uid=entry.origin.uid,
        gid=entry.origin.gid,
        approval=entry.approval,
        sha=entry.sha,
        reason=entry.reason,
        via=entry.origin.via,
    )


def _deploy_row(deploy: Deploy, waits: str | None) -> DeployRow:
    return DeployRow(
        id=deploy.id,
        name=deploy.name,
        source=deploy.source.value,
        sha=deploy.sha,
        step=deploy.step.value,
        queued_at=rfc3339(deploy.queued_at),
        approval=deploy.approval,
        previous=deploy.previous,
        started_at=_time(deploy.started_at),
        ended_at=_time(deploy.ended_at),
        error=deploy.error,
        agents=deploy.agents or None,
        waits=waits,
    )


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
