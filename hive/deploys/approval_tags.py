"""Tags of approvals: what was decided about a commit, and how that ended, in its repository.

A deploy makes `building/ID`, `deployed/ID` and `failed/ID` itself. What ends without a deploy, or
before its deploy begins (a denial, a cancelled deploy), is tagged here. A tag is named to somebody
only when it is there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from attrs import frozen

from hive.errors import HiveError
from hive.git.applied import AppliedRepository
from hive.git.repositories import Repositories
from hive.store.approvals import Approval, ApprovalState

_WORDS = {
    ApprovalState.DONE: "deployed",
    ApprovalState.FAILED: "failed",
    ApprovalState.DENIED: "denied",
}

_SHORT = 12

logger = logging.getLogger(__name__)


@frozen
class ApprovalTags:
    """Tags commits in the applied repositories.

    Attributes:
        repositories: The repositories of agents.
    """

    repositories: Repositories

    async def record_approval(self, approval: Approval) -> None:
        """Tag a commit as approved. Idempotent; a failure is only logged."""
        try:
            await self._tag(approval, f"approved/{approval.id}", _decision(approval))
        except HiveError as error:
            logger.warning("approval %d could not be tagged: %s", approval.id, error)

    async def record_end(self, approval: Approval) -> Mapping[str, str]:
        """Tag a commit with how its approval ended, and return what its repository has then.

        That is `tag`, the name of the tag; or, where it could not be made, `repository`: a sentence
        with the commit that `main` is at, and why. It is empty for an end that has no tag.
        """
        word = _WORDS.get(approval.state)
        if word is None or not approval.has_commit:
            return {}
        tag = f"{word}/{approval.id}"
        try:
            await self._tag(approval, tag, approval.error or _decision(approval))
        except HiveError as error:
            main = await self._main(approval.name)
            logger.warning("the end of approval %d could not be tagged: %s", approval.id, error)
            return {"repository": f"{main}; there is no tag {tag}: {error}"}
        return {"tag": tag}

    async def _tag(self, approval: Approval, tag: str, message: str) -> None:
        assert approval.sha is not None
        await self._repository(approval.name).tag(tag, approval.sha, f"{message}\n")

    async def _main(self, name: str) -> str:
        """Return the state of a branch `main`, as a sentence."""
        try:
            sha = await self._repository(name).head()
        except HiveError:
            return "its state is unknown"
        return "nothing was deployed" if sha is None else f"main is at {sha[:_SHORT]}"

    def _repository(self, name: str) -> AppliedRepository:
        return self.repositories.applied(name)


def _decision(approval: Approval) -> str:
    """Return who decided, and why, as the message of a tag."""
    by = approval.decided_by or "nobody"
    return f"{approval.state.value} by {by}: {approval.note or 'no reason was given'}"
