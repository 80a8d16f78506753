"""`hive-ag3nt mcp` with the official SDK's client at its other end, and a real daemon behind it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from mcp import StdioServerParameters

from hive.client.agent import AgentClient
from hive.extras import how_to_install
from hive.harness.mcp.server import CHANNEL_INSTRUCTIONS, INSTRUCTIONS, make_server
from hive.harness.tools import SessionMail, for_kind
from tests.mcp.sdk_client import MODES, McpClient, connected_by_stdio, connected_in_memory
from tests.support.daemons import PROGRAMS, HiveOnDisk

pytestmark = pytest.mark.loops("asyncio")

SWARM = """
[manager]
run = ["sh", "-c", "cat >/dev/null; echo manager here"]
[peers.damocles]
"""


@pytest.fixture
def hive(tmp_path: Path) -> Iterator[HiveOnDisk]:
    made = HiveOnDisk(tmp_path)
    made.configure(SWARM)
    made.start()
    yield made
    made.close()


def parameters(
    hive: HiveOnDisk, *options: str, name: str = "damocles", program: str = "hive-ag3nt"
) -> Any:
    return StdioServerParameters(
        command=str(PROGRAMS / program),
        args=["mcp", *options],
        env={**hive.env, "HIVE_SOCKET": str(hive.socket_of(name))},
    )


@asynccontextmanager
async def connected(
    hive: HiveOnDisk, mode: str = "auto", *options: str, **which: str
) -> AsyncIterator[McpClient]:
    async with connected_by_stdio(parameters(hive, *options, **which), mode) as client:
        yield client


async def ask(client: McpClient, tool: str, **arguments: Any) -> Any:
    result = await client.call(tool, arguments)
    assert not result.is_error, result.text
    return json.loads(result.text)


@pytest.mark.parametrize("mode", MODES)
async def test_a_peer_exchanges_messages_with_the_manager(hive: HiveOnDisk, mode: str) -> None:
    async with connected(hive, mode) as client:
        offered = await client.tools()
        assert set(offered) == {
            *("send", "recv", "reply", "ack", "verify", "ask", "answer", "remind"),
            *("loose_ends", "cancel", "whoami", "who", "set_status"),
        }
        assert offered["send"]["inputSchema"]["required"] == ["to", "body"]
        assert client.greeting["instructions"] == INSTRUCTIONS
        assert (await ask(client, "whoami"))["name"] == "damocles"
        sent = await ask(client, "send", to="manager", body="are you there?")
        [answer] = (await ask(client, "recv", wait_seconds=30))["messages"]
        assert (answer["from"], answer["body"]) == ("hm1nd", "manager here")
        assert answer["in_reply_to"] == sent["id"]
        await ask(client, "ack", ids=[answer["id"]])
        assert (await ask(client, "whoami"))["unread"] == 0


async def test_the_manager_has_its_own_tools(hive: HiveOnDisk) -> None:
    async with connected(hive, name="hm1nd", program="hive-m1nd") as client:
        offered = set(await client.tools())
        assert {"kill", "start", "restart", "update", "request_spawn", "get_logs"} < offered
        result = await client.call("kill", {"name": "hm1nd"})
        assert result.is_error
        assert "cannot stop or restart itself" in result.text


async def test_a_refusal_is_a_sentence_for_the_model(hive: HiveOnDisk) -> None:
    async with connected(hive) as client:
        for tool, arguments, sentence in [
            ("send", {"to": "hm2nd", "body": "x"}, "hm1nd"),
            ("send", {"to": "hm1nd"}, "body"),
            ("sned", {}, "did you mean 'send'"),
        ]:
            result = await client.call(tool, arguments)
            assert result.is_error
            assert sentence in result.text


async def test_the_server_survives_a_restart_of_the_daemon(hive: HiveOnDisk) -> None:
    async with connected(hive) as client:
        await ask(client, "whoami")
        await asyncio.to_thread(hive.kill)
        asked = asyncio.ensure_future(ask(client, "send", to="operator", body="still here"))
        await asyncio.to_thread(hive.start)
        await asked
        [message] = await asyncio.to_thread(hive.json, "inbox")
        assert message["body"] == "still here"


async def test_a_message_in_progress_during_a_restart_is_done_once(hive: HiveOnDisk) -> None:
    await asyncio.to_thread(hive.ok, "send", "damocles", "work")
    async with connected(hive) as client:
        [message] = (await ask(client, "recv"))["messages"]
        await asyncio.to_thread(hive.kill)
        await asyncio.to_thread(hive.start)
        assert (await ask(client, "reply", id=message["id"], body="done"))["acked"] is True
        assert (await ask(client, "whoami"))["unread"] == 0
    [answer] = await asyncio.to_thread(hive.json, "inbox")
    assert (answer["body"], answer["in_reply_to"]) == ("done", message["id"])


async def test_unfinished_messages_of_a_session_go_to_the_next_session(hive: HiveOnDisk) -> None:
    await asyncio.to_thread(hive.ok, "send", "damocles", "work")
    async with connected(hive) as client:
        assert len((await ask(client, "recv"))["messages"]) == 1
    async with connected(hive) as client:
        [message] = (await ask(client, "recv", wait_seconds=10))["messages"]
        assert (message["body"], message["attempt"], message["redelivered"]) == ("work", 1, True)


@define(eq=False)
class Raw:
    """A running server and a client of bare lines, with the handshake of current clients."""

    process: subprocess.Popen[bytes]

    def ask(self, number: int, method: str, **params: Any) -> Any:
        """Return the result of a request; what else comes before it is skipped."""
        self.request(number, method, **params)
        while (line := self.next_line()).get("id") != number:
            pass
        return line["result"]

    def request(self, number: int, method: str, **params: Any) -> None:
        self.notify(method, id=number, params=params)

    def notify(self, method: str, **fields: Any) -> None:
        assert self.process.stdin is not None
        line = {"jsonrpc": "2.0", "method": method, **fields}
        self.process.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.stdin.flush()

    def next_line(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def greet(self) -> Any:
        info = {"name": "test", "version": "0"}
        said = self.ask(
            1, "initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=info
        )
        self.notify("notifications/initialized")
        return said


@contextmanager
def raw(hive: HiveOnDisk, *options: str) -> Iterator[Raw]:
    process = subprocess.Popen(
        [PROGRAMS / "hive-ag3nt", "mcp", *options],
        env={**hive.env, "HIVE_SOCKET": str(hive.socket_of("damocles"))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin, process.stdout:
        yield Raw(process)
        process.kill()
        process.wait()


def test_a_signal_ends_the_server_at_once_and_puts_messages_back(hive: HiveOnDisk) -> None:
    hive.ok("send", "damocles", "work")
    with raw(hive) as server:
        assert server.greet()["serverInfo"]["name"] == "hive"
        server.ask(2, "tools/call", name="recv", arguments={})
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(20) == 0
    [message] = json.loads(f"[{hive.as_participant('damocles', 'recv', '--json').stdout}]")
    assert (message["attempt"], message["redelivered"]) == (1, True)


def test_a_parked_recv_blocks_no_other_call_and_can_be_cancelled(hive: HiveOnDisk) -> None:
    with raw(hive) as server:
        server.greet()
        server.request(2, "tools/call", name="recv", arguments={"wait_seconds": 120})
        whoami = server.ask(3, "tools/call", name="whoami", arguments={})
        assert json.loads(whoami["content"][0]["text"])["name"] == "damocles"
        server.notify("notifications/cancelled", params={"requestId": 2})
        server.ask(4, "ping")
        hive.ok("send", "damocles", "hello")
        received = server.ask(5, "tools/call", name="recv", arguments={"wait_seconds": 10})
        [message] = json.loads(received["content"][0]["text"])["messages"]
        assert message["body"] == "hello"


def test_the_end_of_standard_input_ends_a_parked_recv(hive: HiveOnDisk) -> None:
    with raw(hive) as server:
        server.greet()
        server.request(2, "tools/call", name="recv", arguments={"wait_seconds": 120})
        server.ask(3, "ping")
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(20) == 0


def test_a_channel_announces_mail_and_takes_none(hive: HiveOnDisk) -> None:
    with raw(hive, "--channel") as server:
        said = server.greet()
        assert said["capabilities"]["experimental"] == {"claude/channel": {}}
        server.ask(2, "tools/list")
        hive.ok("send", "damocles", "work")
        pushed = server.next_line()
        assert pushed["method"] == "notifications/claude/channel"
        assert "1 message waits in your hive inbox, from operator" in pushed["params"]["content"]
        assert "work" not in pushed["params"]["content"]
        assert hive.status("damocles")["unread"] == 1


@pytest.mark.parametrize("mode", MODES)
async def test_the_server_announces_the_channel_to_each_client(hive: HiveOnDisk, mode: str) -> None:
    async with connected(hive, mode, "--channel") as client:
        assert client.greeting["capabilities"]["experimental"] == {"claude/channel": {}}
        assert client.greeting["instructions"] == f"{INSTRUCTIONS}\n\n{CHANNEL_INSTRUCTIONS}"
        assert (await ask(client, "whoami"))["name"] == "damocles"


async def test_without_a_hive_each_tool_returns_an_error(tmp_path: Path) -> None:
    async with AgentClient(tmp_path / "mcp.sock", patience=0.05) as client:
        tools = for_kind(client, manager=False, mail=SessionMail(client))
        async with connected_in_memory(make_server(tools)) as model:
            result = await model.call("whoami", {})
            assert result.is_error
            assert "there is no such socket; is hive-c0re running" in result.text


def run_without_input(python_path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hive.harness", "agent", "mcp"],
        env={**os.environ, "PYTHONPATH": str(python_path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_the_sdk_the_verb_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "mcp.py").write_text("raise ModuleNotFoundError('no mcp here')")
    done = run_without_input(tmp_path)
    assert done.returncode == 7
    assert f"install it with: {how_to_install('mcp')}" in done.stderr


@pytest.mark.parametrize(
    ("found", "file", "says"),
    [
        ("1.9.4", "", "mcp 1.9.4 is installed"),
        ("3.0", "from nothing import server", "mcp 3.0 is installed, which lacks something"),
    ],
)
def test_with_an_sdk_that_cannot_work_the_verb_says_which_can(
    tmp_path: Path, found: str, file: str, says: str
) -> None:
    info = tmp_path / f"mcp-{found}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: mcp\nVersion: {found}\n")
    for name in ("mcp", "mcp/server", "mcp/server/stdio"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "mcp/server/lowlevel.py").write_text(file)
    done = run_without_input(tmp_path)
    assert done.returncode == 7
    [sentence] = done.stderr.splitlines()
    assert f"this needs mcp 1.26 or newer, of version 1 or 2; {says}" in sentence


def test_a_line_that_cannot_be_parsed_is_answered_with_its_id(hive: HiveOnDisk) -> None:
    with raw(hive) as server:
        server.greet()
        assert server.process.stdin is not None
        call = '"method":"tools/call","params":{"name":"send","arguments":{"to":"hm1nd","body":'
        server.process.stdin.write(
            b"what\n" + f'{{"jsonrpc":"2.0","id":2,{call}"x\\ud83d"}}}}}}\n'.encode()
        )
        server.process.stdin.flush()

        first, second = server.next_line(), server.next_line()

        assert (first["id"], first["error"]["code"]) == (None, -32700)
        assert (second["id"], second["error"]["code"]) == (2, -32700)
        assert server.ask(3, "tools/list")["tools"]


async def test_tools_of_the_manager_are_not_offered_to_others(hive: HiveOnDisk) -> None:
    async with connected(hive, program="hive-m1nd") as client:
        names = set(await client.tools())
    assert "send" in names
    assert names.isdisjoint({"kill", "start", "restart", "update", "get_logs", "request_spawn"})
