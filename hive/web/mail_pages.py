"""Mail: a search, one message with its trace, and the dead letters."""

from __future__ import annotations

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.names import OPERATOR
from hive.view.timeline_lines import timeline_line
from hive.web.page_answers import PageAnswers, Row
from hive.web.paging import asked, newest_first, number_in_path

FIELDS = {"text": "text", "from": "sender", "to": "inbox"}
"""The words of a search: their names in the address of the page, and in the request."""


@frozen
class MailPages:
    """Answers requests about mail.

    Attributes:
        answers: Answers with pages.
    """

    answers: PageAnswers

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/mail", self.search),
            Route("/message/{number}", self.message),
            Route("/dead-letters", self.dead_letters),
        ]

    async def search(self, request: Request) -> Response:
        """Return the newest mail that matches some words."""
        words = {key: request.query_params.get(key, "").strip() for key in FIELDS}
        fields = {FIELDS[key]: text for key, text in words.items() if text}
        ask = self.answers.client.ask
        found = (await ask("search", **asked(request), **fields))["messages"]
        shown = newest_first(request, found, "id")
        return self.answers.page(request, "mail.html", shown=shown, words=words)

    async def message(self, request: Request) -> Response:
        """Return one message, with its steps and what else concerns it."""
        number = number_in_path(request)
        found = await self.answers.client.ask("trace", id=number)
        message = found["message"]
        around = [timeline_line(row) for row in found.get("around") or ()]
        is_to_operator = message["to"] == OPERATOR
        question = await self._open_question(message)
        return self.answers.page(
            request,
            "message.html",
            number=number,
            message=message,
            steps=found["steps"],
            around=around,
            is_unread=is_to_operator and message["state"] in {"stored", "leased"},
            question=question,
            answers_to=message["from"] if is_to_operator and question is None else None,
        )

    async def _open_question(self, message: Row) -> Row | None:
        """Return the question that a message asks, if it is open; a reply would not answer it."""
        if message.get("type") != "question":
            return None
        found = (await self.answers.client.ask("questions"))["questions"]
        return next((row for row in found if row["id"] == message["id"]), None)

    async def dead_letters(self, request: Request) -> Response:
        """Return what was given up, with what can be done about it."""
        ask = self.answers.client.ask
        found = (await ask("dead_letters", **asked(request)))["messages"]
        shown = newest_first(request, found, "id")
        return self.answers.page(request, "dead_letters.html", shown=shown)
