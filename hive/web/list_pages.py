"""Pages that are lists: deploys, events, the audit."""

from __future__ import annotations

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.errors import BadRequestError
from hive.names import suggest
from hive.web.page_answers import PageAnswers
from hive.web.paging import asked, newest_first
from hive.wire.enums import EventKind

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
        found = (await self.answers.client.ask(verb, name=name, **asked(request)))[answer]
        shown = newest_first(request, found, key)
        return self.answers.page(request, f"{verb}.html", shown=shown, name=name or "")

    async def events(self, request: Request) -> Response:
        """Return a page of the event log."""
        name, kind = _word(request, "name"), _word(request, "kind")
        if kind is not None and kind not in KINDS:
            raise BadRequestError(f"there is no kind {kind!r} of events{suggest(kind, KINDS)}")
        only = {"name": name, "kinds": [kind] if kind else None}
        found = (await self.answers.client.ask("events", **only, **asked(request)))["events"]
        shown = newest_first(request, found, "seq")
        said = {"name": name or "", "kind": kind or ""}
        return self.answers.page(request, "events.html", shown=shown, kinds=KINDS, **said)


def _word(request: Request, key: str) -> str | None:
    return request.query_params.get(key, "").strip() or None
