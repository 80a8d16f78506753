"""Approvals: what waits for a decision, and one of them with what it changes."""

from __future__ import annotations

import asyncio

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.errors import HiveError
from hive.view.change_lines import approval_lines, behind_lines
from hive.web.page_answers import PageAnswers
from hive.web.paging import PAGE, asked, newest_first, number_in_path

MOST = 1000
"""Approvals that host.sock returns at once."""

DIFF_MAX = 2_000_000
"""Characters of a diff that a page shows; of a longer one it says that it is not whole."""


@frozen
class ApprovalPages:
    """Answers requests about approvals.

    Attributes:
        answers: Answers with pages.
    """

    answers: PageAnswers

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [Route("/approvals", self.list), Route("/approval/{number}", self.one)]

    async def list(self, request: Request) -> Response:
        """Return what waits for a decision, and before it what was decided."""
        ask = self.answers.client.ask
        waiting = (await ask("pending"))["approvals"]
        # Those that wait are among the others by their numbers.
        page = {**asked(request), "max": min(PAGE + 1 + len(waiting), MOST)}
        newest = (await ask("pending", **page))["approvals"]
        ended = [row for row in newest if row["status"] != "pending"]
        shown = newest_first(request, ended, "id")
        return self.answers.page(request, "approvals.html", waiting=waiting, shown=shown)

    async def one(self, request: Request) -> Response:
        """Return one approval with the diff that a decision is about."""
        number = number_in_path(request)
        found = await self.answers.client.ask("approval", id=number)
        diff, trouble = "", ""
        try:
            patch = await self.answers.client.ask("diff", id=number)
            diff, sha = patch["diff"], patch["sha"]
        except HiveError as error:  # a kind without a commit has no diff
            sha, trouble = None, str(error)
        row = found["approval"]
        facts = [*approval_lines(row, self.answers.now()), *behind_lines(found)]
        return await asyncio.to_thread(  # an agent's diff may be large; the other pages go on
            self.answers.page,
            request,
            "approval.html",
            approval=row,
            facts=facts,
            diff=diff,
            diff_max=DIFF_MAX,
            trouble=trouble if row.get("fetched_sha") else "",
            sha=sha or row.get("fetched_sha"),
        )
