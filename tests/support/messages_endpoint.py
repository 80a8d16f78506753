"""A scripted model: the Messages API on loopback, as far as Claude Code uses it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Self

from attrs import field, frozen

PATIENCE = 60.0
"""Seconds that a test waits for the real program."""

_NUMBERS = count(1)


@frozen
class Asked:
    """One request to the model.

    Attributes:
        body: The request, decoded.
        agent: Name of the agent, from its system prompt; None for other sessions.
        key: The credential.
        at: Time of arrival on the monotonic clock, in seconds.
    """

    body: dict[str, Any]
    agent: str | None
    key: str
    at: float

    @property
    def tools(self) -> set[str]:
        """Names of the tools that the model is offered."""
        return {tool["name"] for tool in self.body.get("tools", ())}

    @property
    def text(self) -> str:
        """All text of the conversation."""
        return "\n".join(_texts(self.body["messages"]))

    @property
    def last(self) -> str:
        """The text since the last answer of the model."""
        messages = self.body["messages"]
        spoken = [at for at, each in enumerate(messages) if each["role"] == "assistant"]
        return "\n".join(_texts(messages[spoken[-1] + 1 :] if spoken else messages))


@frozen
class Reply:
    """An answer of the endpoint.

    Attributes:
        body: Bytes of the whole answer.
        released: Set when it may be sent.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = field(factory=dict)
    released: threading.Event | None = None


Scripted = Reply | Callable[[Asked], Reply]


def say(text: str, *, tokens: int = 100, held: threading.Event | None = None) -> Reply:
    """Return a text of the model that ends its turn.

    Args:
        text: The text.
        tokens: Reported number of input tokens.
        held: Delays the answer until it is set.
    """
    return _stream([{"type": "text", "text": text}], tokens, held)


def call(tool: str, *, held: threading.Event | None = None, **arguments: Any) -> Reply:
    """Return a model's call of a tool."""
    block = {
        "type": "tool_use",
        "id": f"toolu_{next(_NUMBERS)}",
        "name": tool,
        "input": arguments,
    }
    return _stream([block], 100, held)


def hive(tool: str, *, held: threading.Event | None = None, **arguments: Any) -> Reply:
    """Return a model's call of one of the hive's tools."""
    return call(f"mcp__hive__{tool}", held=held, **arguments)


def error(status: int, kind: str, words: str, **headers: str) -> Reply:
    """Return an error of the API; underscores in names of headers stand for hyphens."""
    body = {"type": "error", "error": {"type": kind, "message": words}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json", **named})


def too_long() -> Reply:
    """Return the refusal of a conversation that does not fit."""
    return error(400, "invalid_request_error", "prompt is too long: 1200000 tokens > 1000000")


class Endpoint:
    """The endpoint; a context manager.

    `script` sets the answers for each agent; without a script, the answer is "done".
    """

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self._scripts: defaultdict[str | None, deque[Scripted]] = defaultdict(deque)
        self._changed = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._closing = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """The address on which it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def environment(self, home: str, key: str = "test-key") -> dict[str, str]:
        """Return the variables with which Claude Code uses this endpoint and a separate home."""
        return {
            "ANTHROPIC_BASE_URL": self.url,
            "ANTHROPIC_API_KEY": key,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "HOME": home,
        }

    def script(self, *replies: Scripted, agent: str | None = None) -> None:
        """Set the answers to an agent's next requests; None is for agents without a script."""
        self._scripts[agent].extend(replies)

    def of(self, agent: str) -> list[Asked]:
        """Return the requests of one agent."""
        return [each for each in self.requests if each.agent == agent]

    def wait(self, until: Callable[[list[Asked]], object], *, what: str = "a request") -> Any:
        """Wait until a function of the requests returns a true value, and return it."""
        with self._changed:
            if not self._changed.wait_for(lambda: until(self.requests), PATIENCE):
                raise AssertionError(f"{what} did not come; {len(self.requests)} others did")
            return until(self.requests)

    def nth(self, number: int, agent: str | None = None) -> Asked:
        """Wait for the nth request, counted from 1, of an agent or of all."""

        def found(requests: list[Asked]) -> Asked | None:
            mine = [each for each in requests if agent in (None, each.agent)]
            return mine[number - 1] if len(mine) >= number else None

        asked: Asked = self.wait(found, what=f"request {number} of {agent or 'any agent'}")
        return asked

    def answer(self, asked: Asked) -> Reply:
        """Record a request and return its answer."""
        with self._changed:
            self.requests.append(asked)
            own = self._scripts[asked.agent] or self._scripts[None]
            scripted = own.popleft() if own else say("done")
            self._changed.notify_all()
        reply = scripted if isinstance(scripted, Reply) else scripted(asked)
        while reply.released is not None and not self._closing.is_set():
            if reply.released.wait(0.05):
                break
        return reply


def _handler_of(endpoint: Endpoint) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            at = time.monotonic()
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path.startswith("/v1/messages?") or self.path == "/v1/messages":
                key = self.headers.get("x-api-key") or self.headers.get("authorization", "")
                self._send(endpoint.answer(Asked(body, _agent(body), key, at)))
            else:
                self._send(error(404, "not_found_error", "there is no such endpoint"))

        def do_GET(self) -> None:
            self._send(error(404, "not_found_error", "there is no such endpoint"))

        do_HEAD = do_GET  # noqa: N815 - the name that the base class looks for

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def _send(self, reply: Reply) -> None:
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except ConnectionError:
                self.close_connection = True  # the client was killed, which a test may do

    return Handler


def _stream(blocks: list[dict[str, Any]], tokens: int, held: threading.Event | None) -> Reply:
    data = b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in _events(blocks, tokens)
    )
    return Reply(200, data, {"content-type": "text/event-stream"}, held)


def _events(blocks: list[dict[str, Any]], tokens: int) -> Iterator[dict[str, Any]]:
    message = {
        "id": f"msg_{next(_NUMBERS)}",
        "type": "message",
        "role": "assistant",
        "model": "scripted",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": tokens, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": message}
    for index, block in enumerate(blocks):
        is_text = block["type"] == "text"
        empty = {**block, "text": ""} if is_text else {**block, "input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        delta = (
            {"type": "text_delta", "text": block["text"]}
            if is_text
            else {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        )
        yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = "tool_use" if blocks[-1]["type"] == "tool_use" else "end_turn"
    delta = {"stop_reason": stop, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


def _agent(body: Mapping[str, Any]) -> str | None:
    system = body.get("system", "")
    parts = [system] if isinstance(system, str) else [part["text"] for part in system]
    found = re.search(r"You are ([a-z][a-z0-9-]*), \w+ \w+ of a hive", "\n".join(parts))
    found = found or re.search(r"You are ([a-z][a-z0-9-]*), the manager", "\n".join(parts))
    return found[1] if found else None


def _texts(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        content = message["content"]
        blocks = [{"text": content}] if isinstance(content, str) else content
        for block in blocks:
            if "text" in block:
                yield block["text"]
            elif block.get("type") == "tool_result":
                yield from _texts([{"content": block.get("content") or ""}])
