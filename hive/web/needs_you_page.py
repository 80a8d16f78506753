"""The page that a notification opens: what needs the operator, with the buttons that settle it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.errors import HiveError
from hive.view.attention_lines import is_waiting
from hive.web.page_answers import PageAnswers
from hive.web.rendering import is_cut

ITEMS_MAX = 20
"""Items of one page."""

DIFFS_MAX = 5
"""Approvals of one page that are shown with what they change."""

Row = Mapping[str, Any]


@frozen
class NeedsYouPage:
    """Answers requests for the page.

    Attributes:
        answers: Makes pages.
    """

    answers: PageAnswers

    @property
    def routes(self) -> list[Route]:
        """Where the page is."""
        return [Route("/needs-you", self.show), Route("/needs-you/{id}", self.show)]

    async def show(self, request: Request) -> Response:
        """Return the page of one item, or of all if it names none or one that is settled."""
        items = (await self.answers.client.ask("attention"))["items"]
        waiting = [item for item in items if is_waiting(item)]
        wanted = request.path_params.get("id")
        found = [item for item in items if item["id"] == wanted]
        shown = (found or waiting)[:ITEMS_MAX]
        approvals = await self._approvals(shown)
        return await asyncio.to_thread(  # its diffs may be large; the other pages go on
            self.answers.page,
            request,
            "needs_you.html",
            is_settled=wanted is not None and not found,
            items=shown,
            others=len(waiting) - sum(item in shown for item in waiting),
            approvals=approvals,
            questions=await self._questions(shown),
        )

    async def _questions(self, items: Sequence[Row]) -> Mapping[int, Row]:
        """Return the open questions, by number, if a page has one: the text of an item is cut."""
        if not any(item["kind"] == "question" for item in items):
            return {}
        found = (await self.answers.client.ask("questions"))["questions"]
        return {row["id"]: row for row in found}

    async def _approvals(self, items: Sequence[Row]) -> Mapping[int, Row]:
        """Return the first approvals of a page with what they change, by number."""
        numbers = [item["number"] for item in items if item["kind"] == "approval"][:DIFFS_MAX]
        found = await asyncio.gather(*map(self._approval, numbers))
        return {number: row for number, row in zip(numbers, found, strict=True) if row}

    async def _approval(self, number: int) -> Row | None:
        ask = self.answers.client.ask
        try:
            row = (await ask("approval", id=number))["approval"]
        except HiveError:
            return None  # it was decided meanwhile
        try:
            patch = await ask("diff", id=number)
        except HiveError:  # a kind without a commit has no diff
            return {**row, "diff": "", "sha": row.get("fetched_sha")}
        if is_cut(patch["diff"]):
            return None  # one does not approve what one has not seen
        return {**row, "diff": patch["diff"], "sha": patch["sha"]}
