"""A browser without a window: requests to the application itself, and pages that stay open."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from html import unescape
from typing import Any
from urllib.parse import urlencode

from attrs import define, field, frozen
from starlette.types import ASGIApp, Message

HOST = "127.0.0.1:7000"

TOKEN = re.compile(r'name="token" value="([^"]*)"')


@frozen
class Answer:
    """What a browser gets.

    Attributes:
        status: The status.
        headers: The headers, by lower-case name.
        text: The body.
    """

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def shown(self) -> str:
        """What a person reads: the page without its elements."""
        return unescape(re.sub(r"<[^>]*>", " ", self.text))

    @property
    def token(self) -> str:
        """The token of its first form."""
        found = TOKEN.search(self.text)
        assert found is not None, self.text
        return found[1]


@define(eq=False)
class Browser:
    """A browser that has a cookie.

    Attributes:
        app: The application.
        cookie: The cookie of its session.
    """

    app: ASGIApp
    cookie: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        """Load a page."""
        return await self._request("GET", path, b"", headers)

    async def head(self, path: str) -> Answer:
        """Ask for the headers of a page."""
        return await self._request("HEAD", path, b"", {})

    async def page(self, path: str) -> Answer:
        """Load a page that there is."""
        answer = await self.get(path)
        assert answer.status == 200, (answer.status, answer.shown)
        return answer

    async def post(self, path: str, form: Mapping[str, object], **headers: str) -> Answer:
        """Send a form, as a page of this server does."""
        origin = {"origin": f"http://{HOST}", **headers}
        return await self._request("POST", path, urlencode(form).encode(), origin)

    async def _request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await self.app(self._scope(method, path, headers), _receiver(body), send)
        text = b"".join(each.get("body", b"") for each in sent[1:])
        return Answer(sent[0]["status"], _headers(sent[0]), text.decode())

    @asynccontextmanager
    async def live(self, path: str) -> AsyncIterator[LivePage]:
        """Keep a page of events open."""
        page = LivePage()
        closed = asyncio.Event()

        async def receive() -> Message:
            await closed.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.body":
                page.take(message.get("body", b"").decode())

        running = asyncio.ensure_future(self.app(self._scope("GET", path, {}), receive, send))
        running.add_done_callback(lambda _: page.events.put_nowait(("closed", None)))
        try:
            yield page
        finally:
            closed.set()
            await asyncio.wait_for(asyncio.gather(running, return_exceptions=True), 10)

    def _scope(self, method: str, path: str, headers: Mapping[str, str]) -> dict[str, Any]:
        path, _, query = path.partition("?")
        known = {"host": HOST, "accept": "text/html", "cookie": f"hive_session={self.cookie}"}
        pairs = {**known, **{name.replace("_", "-"): text for name, text in headers.items()}}
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in pairs.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 7000),
        }


@define(eq=False)
class LivePage:
    """A page of events.

    Attributes:
        events: What came and was not taken: the kind of each event, and its data.
        comments: How many comments came.
    """

    events: asyncio.Queue[tuple[str, Any]] = field(factory=asyncio.Queue)
    comments: int = 0
    _text: str = ""

    def take(self, text: str) -> None:
        """Take what the server has sent."""
        self._text += text
        *whole, self._text = self._text.split("\n\n")
        for block in whole:
            lines = dict(line.partition(": ")[::2] for line in block.split("\n"))
            self.comments += block.startswith(":")
            if "event" in lines:
                self.events.put_nowait((lines["event"], json.loads(lines["data"])))

    async def next(self, within: float = 10.0) -> tuple[str, Any]:
        """Return the next event."""
        return await asyncio.wait_for(self.events.get(), within)


def _receiver(body: bytes) -> Any:
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        return await asyncio.Future()

    return receive


def _headers(start: Message) -> dict[str, str]:
    return {name.decode().lower(): text.decode() for name, text in start["headers"]}
