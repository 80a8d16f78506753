"""The deploy queue: one deploy at a time, in the order of requests.

Each step is on disk before it begins. After a crash the next daemon repeats the step at which the
deploy was (see `hive.deploys.steps`), so a deploy ends as `deployed`, or the agent runs what it ran
before. What a step does is for the carrier of the deploy, see `hive.deploys.carriers`.

Memory comes first, then the disk: whether a deploy can still be cancelled is decided without a wait
in between. A deploy that was cancelled while it was built ends the build.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

from hive.cancellation import shield_until_done
from hive.deploys import steps
from hive.deploys.carriers import Carrier, DeployServices
from hive.deploys.commit_carrier import CommitCarrier
from hive.deploys.input_carrier import InputCarrier
from hive.deploys.step_deadline import wait_within
from hive.errors import ConflictError, FailedError, HiveError, NotFoundError
from hive.event_log import EventKind
from hive.store import deploys as table
from hive.store.approvals import Approval, ApprovalKind
from hive.store.deploys import Deploy, DeploySource, DeployStep

logger = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
"""Seconds until a deploy whose step cannot be stored tries again."""


class DeployQueue:
    """Carries out deploys.

    Args:
        services: The objects of the hive that it uses.
    """

    def __init__(self, services: DeployServices) -> None:
        self._services = services
        self._open: dict[int, Deploy] = {}
        self._ended: dict[int, asyncio.Future[Deploy]] = {}
        self._wake = asyncio.Event()
        self._arrivals = asyncio.Lock()
        self._worker: asyncio.Task[None] | None = None
        self._building: tuple[int, asyncio.Task[Deploy]] | None = None
        self._commits = CommitCarrier(services, self._save, self.open_of)
        self._inputs = InputCarrier(services, self._save)

    async def open(self) -> None:
        """Go on with the deploys that an earlier daemon left."""
        for deploy in await self._services.store.read(table.open_deploys):
            self._open[deploy.id] = steps.resume(deploy)
            await self._services.logs.resume(deploy.id)
            self._services.logs.add_step(deploy.id, "hive-c0re was restarted; it goes on")
        await self.keep_logs()
        self._wake.set()
        self._worker = asyncio.ensure_future(self._work())

    async def close(self) -> None:
        """Interrupt the present deploy; the next `open` goes on with it."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.wait([self._worker])
            self._worker = None

    # Requests

    async def enqueue(self, deploy: Deploy) -> Deploy:
        """Add a deploy; returns it with its number. The same one that still waits is not added.

        An older deploy of the same agent that still waits is cancelled: this one replaces it.
        """
        for each in self._open.values():
            if each.step is DeployStep.QUEUED and (each.name, each.sha, each.approval) == (
                *(deploy.name, deploy.sha, deploy.approval),
            ):
                return each
        number = await self._services.store.write(table.insert(deploy))
        found = await self._services.store.read(table.one(number))
        assert found is not None
        if found.ended_at is None and number not in self._open:
            self._services.logs.begin(number)
            self._open[number] = found
            self._record(found)
            self._wake.set()
            await self._supersede(found)
        return found

    async def _supersede(self, newer: Deploy) -> None:
        for each in tuple(self._open.values()):
            is_older = each.name == newer.name and each.id < newer.id
            if is_older and each.step is DeployStep.QUEUED:
                await self.cancel(each.id, f"deploy {newer.id} of {newer.name!r} replaces it")

    async def carry_out(self, approval: Approval) -> None:
        """Deploy the commit of an approval; returns when it is deployed. Idempotent.

        Raises:
            FailedError: It failed, and the agent runs what it ran before.
        """
        assert approval.sha is not None
        is_new = approval.kind is ApprovalKind.SPAWN
        async with self._arrivals:  # in the order of the decisions, however long git takes
            await self._services.tags.record_approval(approval)
            head = await self._services.repositories.applied(approval.name).head()
            if not is_new and approval.name not in self._services.registry:
                raise ConflictError(f"{approval.name!r} was destroyed after this was submitted")
            deploy = Deploy(
                approval.name,
                DeploySource.APPROVAL,
                approval.sha,
                self._services.clock.now(),
                approval=approval.id,
                previous=head,
            )
            queued = await self.enqueue(self._commits.note(deploy))
        await self._until_deployed(queued)

    async def complete(self, deploy: Deploy) -> None:
        """Add a deploy, and return when it is deployed. Idempotent for one of an approval.

        Raises:
            FailedError: It failed, and its agents run what they ran before.
        """
        await self._until_deployed(await self.enqueue(deploy))

    async def _until_deployed(self, deploy: Deploy) -> None:
        ended = await self.wait_ended(deploy)
        if ended.step is not DeployStep.DEPLOYED:
            raise FailedError(f"deploy {ended.id} {ended.step.value}: {ended.error}")

    async def wait_ended(self, deploy: Deploy) -> Deploy:
        """Wait until a deploy has ended, and return it."""
        if deploy.id not in self._open:
            deploy = await self.get(deploy.id)
        if deploy.ended_at is not None:
            return deploy
        loop = asyncio.get_running_loop()
        future = self._ended.setdefault(deploy.id, loop.create_future())
        return await asyncio.shield(future)

    async def cancel(self, number: int, reason: str) -> Deploy:
        """Cancel a deploy that has changed nothing yet.

        Raises:
            NotFoundError: There is none of that number.
            ConflictError: It has changed its agent, or has ended.
        """
        deploy = await self.get(number)
        cancelled = steps.cancel(deploy, reason, self._services.clock.now())
        if number not in self._open:  # it has ended while its row was read
            return await self.get(number)
        del self._open[number]
        if self._building is not None and self._building[0] == number:
            self._building[1].cancel()
        await self._save_at_last(cancelled)
        return cancelled

    def open_of(self, name: str) -> tuple[Deploy, ...]:
        """Return the deploys of an agent that have not ended, oldest first."""
        return tuple(each for each in self._open.values() if name in each.members)

    async def follow(self, number: int) -> AsyncIterator[list[str]]:
        """Yield the lines of the output of a deploy until it has ended.

        Raises:
            NotFoundError: There is none of that number.
        """
        await self.get(number)
        async for lines in self._services.logs.follow(number):
            yield lines

    async def keep_logs(self) -> None:
        """Delete the outputs of deploys that the store no longer has."""
        await self._services.logs.keep(await self._services.store.read(table.numbers))

    async def get(self, number: int) -> Deploy:
        """Return a deploy in any state.

        Raises:
            NotFoundError: There is none of that number.
        """
        found = self._open.get(number) or await self._services.store.read(table.one(number))
        if found is None:
            raise NotFoundError(f"there is no deploy {number}; 'hive-c0re deploys' lists them")
        return found

    async def roll_back(self, name: str, to: int | None = None) -> Deploy:
        """Deploy again what an agent ran before, or what an earlier deploy had.

        Raises:
            NotAllowedError: hive.toml describes the agent.
            NotFoundError: There is no such deploy of the agent, or none before the present one.
        """
        agent = self._services.registry.agent(name)
        steps.require_from_commits(agent.record)
        past = await self._services.store.read(table.newest(1000, agent.name))
        good = [each for each in past if each.step is DeployStep.DEPLOYED]
        wanted = [
            each
            for each in good
            if (each.id == to if to is not None else each.sha != agent.record.applied)
        ]
        if not wanted:
            known = ", ".join(str(each.id) for each in good) or "none"
            which = "no earlier deploy" if to is None else f"no deploy {to}"
            raise NotFoundError(
                f"{agent.name!r} has {which} to return to; its deploys that succeeded: {known}"
            )
        deploy = Deploy(
            agent.name,
            DeploySource.ROLLBACK,
            wanted[-1].sha,
            self._services.clock.now(),
            previous=agent.record.applied,
        )
        return await self.enqueue(self._commits.note(deploy))

    # Work

    async def _work(self) -> None:
        while True:
            deploy = next(iter(self._open.values()), None)
            if deploy is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self._run(deploy.id)

    async def _run(self, number: int) -> None:
        """Carry out one deploy, step by step, until it has ended."""
        while (deploy := self._open.get(number)) is not None:
            after = await self._step(deploy)
            if number not in self._open:
                return  # it was cancelled during a step that changes nothing
            await self._save_at_last(after)
            if after.ended_at is not None:
                await self._carrier(after).tidy(after)

    async def _step(self, deploy: Deploy) -> Deploy:
        error: str | None = None
        self._services.logs.add_step(deploy.id, deploy.step.value.replace("_", " "))
        done = asyncio.Event()
        saving = asyncio.ensure_future(self._services.logs.save_until(deploy.id, done))
        try:
            deploy = await self._carry_out(deploy)
        except HiveError as refusal:
            error = str(refusal)
        except TimeoutError:
            error = (
                f"{deploy.step.value.replace('_', ' ')} took more than {self._limit(deploy):g} s"
            )
        except Exception as bug:
            logger.exception("deploy %d failed at %s", deploy.id, deploy.step.value)
            error = f"a bug in hive-c0re ({type(bug).__name__}: {bug}); its log has the traceback"
        finally:
            done.set()
            await shield_until_done(saving)
        if error is not None:  # with what the step has put on disk before it failed
            deploy = self._open.get(deploy.id, deploy)
        after = steps.advance(deploy, error, self._services.clock.now())
        if after.step is DeployStep.FAILED and deploy.id in self._open:
            await self._carrier(after).record_failure(after)
        return after

    async def _carry_out(self, deploy: Deploy) -> Deploy:
        """Carry out the present step; one that builds can be interrupted by `cancel`."""
        carry_out = _step_of(self._carrier(deploy), deploy.step)
        task = asyncio.ensure_future(carry_out(deploy))
        self._building = (deploy.id, task) if deploy.step in steps.HARMLESS else None
        try:
            await wait_within(task, self._limit(deploy), lambda: self._awaits_thaw(deploy))
        finally:
            self._building = None
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
        if task.cancelled():
            raise ConflictError("it was cancelled")
        return task.result()

    def _awaits_thaw(self, deploy: Deploy) -> bool:
        records = (agent.record for agent in self._services.registry.agents)
        return steps.awaited_thaw(deploy, records) is not None

    def _limit(self, deploy: Deploy) -> float | None:
        """Return the seconds that the present step of a deploy may take."""
        limit = steps.DEADLINES.get(deploy.step)
        if limit is None:
            return None
        found = map(self._services.agent, deploy.members)
        settings = [agent.settings for agent in found if agent is not None]
        own = sum(each.stop_timeout + each.probe_timeout for each in settings)
        return limit * max(1, len(settings)) + own

    def _carrier(self, deploy: Deploy) -> Carrier:
        return self._inputs if deploy.source is DeploySource.INPUTS else self._commits

    async def _save_at_last(self, deploy: Deploy) -> None:
        """Save a deploy, however long the store takes no writes."""
        while True:
            try:
                await self._save(deploy)
            except HiveError:  # the store reports its trouble itself
                await asyncio.sleep(RETRY_SECONDS)
            else:
                return
            if deploy.ended_at is None and self._open.get(deploy.id) is not deploy:
                return  # it was cancelled meanwhile

    async def _save(self, deploy: Deploy) -> None:
        """Put a deploy into memory, then onto the disk. Idempotent."""
        if deploy.ended_at is None:
            self._open[deploy.id] = deploy
        else:
            self._open.pop(deploy.id, None)
        await self._services.store.write(table.update(deploy))
        if deploy.ended_at is not None:
            error = f": {deploy.error}" if deploy.error else ""
            self._services.logs.add_step(deploy.id, f"{deploy.step.value}{error}")
            await self._services.logs.end(deploy.id)
            waiting = self._ended.pop(deploy.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(deploy)
        self._record(deploy)

    def _record(self, deploy: Deploy) -> None:
        self._services.events.record(
            EventKind.DEPLOY,
            deploy.name,
            deploy=deploy.id,
            step=deploy.step.value,
            sha=deploy.sha,
            approval=deploy.approval,
            error=deploy.error,
        )


def _step_of(carrier: Carrier, step: DeployStep) -> Callable[[Deploy], Awaitable[Deploy]]:
    """Return what carries out a step."""
    return {
        DeployStep.QUEUED: carrier.begin,
        DeployStep.BUILDING: carrier.build,
        DeployStep.APPLYING: carrier.apply,
        DeployStep.RESTARTING: carrier.restart,
        DeployStep.CHECKING: carrier.check,
        DeployStep.COMMITTING: carrier.commit,
        DeployStep.ROLLING_BACK: carrier.roll_back,
    }[step]
