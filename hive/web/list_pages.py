"""Pages that are lists: deploys, events, the audit."""

from __future__ import annotations

from typing import Any

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.errors import BadRequestError
from hive.names import suggest
from hive.web.page_answers import PageAnswers
from hive.web.paging import PAGE, newest_first, number_of
from hive.wire.enums import EventKind

ALL = 1000
"""Rows that host.sock returns at once."""

KINDS = [kind.value for kind in EventKind]
"""The kinds of events."""


@frozen
class ListPages:
    """Answers requests for lists.

    Attributes:
        answers: Answers with pages.
    """

    answers: PageAnswers

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/deploys", self.deploys),
            Route("/events", self.events),
            Route("/audit", self.audit),
        ]

    async def deploys(self, request: Request) -> Response:
        """Return the newest deploys."""
        return await self._newest(request, "deploys", "deploys", "id")

    async def audit(self, request: Request) -> Response:
        """Return who decided what."""
        return await self._newest(request, "audit", "entries", "seq")

    async def _newest(self, request: Request, verb: str, answer: str, key: str) -> Response:
        name = _word(request, "name")
        found = (await self.answers.client.ask(verb, max=ALL, name=name))[answer]
        shown = newest_first(request, found, key)
        is_cut = len(found) >= ALL and shown.older is None
        return self.answers.page(
            request, f"{verb}.html", shown=shown, name=name or "", is_cut=is_cut
        )

    async def events(self, request: Request) -> Response:
        """Return a page of the event log; numbers of events have no gaps, so any page is found."""
        name, kind = _word(request, "name"), _word(request, "kind")
        if kind is not None and kind not in KINDS:
            raise BadRequestError(f"there is no kind {kind!r} of events{suggest(kind, KINDS)}")
        only: dict[str, Any] = {"name": name, "kinds": [kind] if kind else None}
        before = number_of(request, "before")
        if name or kind:
            found = (await self.answers.client.ask("events", max=ALL, **only))["events"]
        elif before is None:
            found = (await self.answers.client.ask("events", max=PAGE))["events"]
        else:
            after = max(before - PAGE - 1, 0)
            found = (await self.answers.client.ask("events", max=PAGE, after=after, **only))[
                "events"
            ]
        has_more = not (name or kind) and bool(found) and found[0]["seq"] > 1
        shown = newest_first(request, found, "seq", has_more=has_more)
        is_cut = len(found) >= ALL and shown.older is None
        said: dict[str, Any] = {"name": name or "", "kind": kind or "", "is_cut": is_cut}
        return self.answers.page(request, "events.html", shown=shown, kinds=KINDS, **said)


def _word(request: Request, key: str) -> str | None:
    return request.query_params.get(key, "").strip() or None
