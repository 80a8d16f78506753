"""The agent's own conversation in a terminal: Claude Code, as the driver starts it, for a person.

`hive-c0re attach` runs it while the agent's turns wait. The conversation, the tools, the system
prompt and the settings are those of the agent; calls that its rules do not allow are not refused
but put to the person.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from hive.client.blocking import call
from hive.errors import FailedError
from hive.harness import environment
from hive.harness.claude.claude_code import claude_program
from hive.harness.claude.launch import ENVIRONMENT, FLAGS, instructions
from hive.harness.claude.permissions import allow_rules, offered_tools
from hive.harness.claude.prompt import system_prompt
from hive.harness.claude.session_file import SessionFile, session_path, with_choice
from hive.wire.claude import DISABLED_TOOLS, OWN_SERVER, ClaudeConfig, McpServer, settings_of

TERMINAL_VARIABLES = ("TERM", "COLORTERM", "COLUMNS", "LINES")
"""Variables about the terminal, which are the person's."""


def converse(session: str, harness: Sequence[str]) -> None:
    """Replace this program by Claude Code with the agent's conversation.

    Args:
        session: The conversation.
        harness: The command that is this harness, without arguments.

    Raises:
        HiveError: The daemon does not answer, or the settings of the agent are not readable.
    """
    file = SessionFile(session_path(Path(environment.state_dir())))
    file.read()
    settings = with_choice(settings_of(environment.driver_settings()), file.record)
    me = call(environment.socket_path(), {"cmd": "whoami"})
    texts = [settings.system_prompt, instructions(Path.cwd())]
    prompt = system_prompt(me["name"], me["kind"], "\n\n".join(each for each in texts if each))
    argv = [str(claude_program()), *arguments(settings, session, prompt, harness)]
    os.execve(argv[0], argv, {**ENVIRONMENT, **os.environ})  # noqa: S606 - no shell is wanted


def arguments(
    settings: ClaudeConfig, session: str, prompt: str, harness: Sequence[str]
) -> Iterator[str]:
    """Yield the arguments with which Claude Code goes on with a conversation.

    They are those of `launch.sdk_options`, except that a person is asked, that no budget ends the
    session, and that the hive's tools come from a program.
    """
    own = McpServer(run=(*harness, "mcp"))
    servers = {OWN_SERVER: own, **settings.mcp}
    yield f"--resume={session}"
    yield f"--append-system-prompt={prompt}"
    yield f"--tools={','.join(offered_tools(settings))}"
    yield f"--allowedTools={','.join(allow_rules(settings))}"
    yield f"--disallowedTools={','.join(DISABLED_TOOLS)}"
    yield "--permission-mode=default"
    yield "--setting-sources="
    yield f"--settings={json.dumps(FLAGS)}"
    yield "--strict-mcp-config"
    yield f"--mcp-config={json.dumps({'mcpServers': dict(_servers(servers))})}"
    if settings.model is not None:
        yield f"--model={settings.model}"
    if settings.effort is not None:
        yield f"--effort={settings.effort}"


def _servers(given: Mapping[str, McpServer]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, server in given.items():
        if server.run is None:
            yield name, {"type": "http", "url": server.url}
        else:
            command, *arguments = server.run
            more = {"args": arguments, "env": dict(server.env)}
            yield name, {"type": "stdio", "command": command, **more}


def join_unit(unit: str, environ: MutableMapping[str, str] = os.environ) -> None:
    """Take over the environment and the working directory of the process of a unit.

    Args:
        unit: The unit of the harness, in the container that this program runs in.
        environ: The environment of this program.

    Raises:
        FailedError: It has no process.
    """
    shown = subprocess.run(
        ["systemctl", "show", "--value", "--property=MainPID", unit],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    pid = shown.stdout.strip()
    try:
        written = Path(f"/proc/{pid}/environ").read_bytes()
        directory = Path(f"/proc/{pid}/cwd").readlink()
    except OSError as error:
        why = shown.stderr.strip() or str(error)
        raise FailedError(f"{unit} has no process here, so it cannot be joined: {why}") from None
    kept = {name: environ[name] for name in TERMINAL_VARIABLES if name in environ}
    pairs = (os.fsdecode(each).partition("=") for each in written.split(b"\0") if each)
    environ.clear()
    environ.update({name: value for name, _, value in pairs} | kept)
    os.chdir(directory)
