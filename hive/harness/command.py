"""The driver that starts a program for each message."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from hive.client.agent import Delivery
from hive.errors import ConfigError
from hive.executables import why_not_executable
from hive.harness.driver import Deferred, Done, DriverSetup, Failed, Outcome, SavedText
from hive.harness.programs import OUTPUT_MAX, Cut, Program, Ran, Tee, run_program, write_to_stderr
from hive.harness.replies import reply_text
from hive.wire.codec import present

ANSWER_MAX = 1 << 20
"""Bytes of the longest output that is read into memory, to be sent; longer than any message."""

STDERR_MAX = 2000
"""Characters of standard error in a reason."""

REASON_LINES = 20
"""Lines of standard error in a reason."""

PREFIX = "HIVE_MESSAGE_"
"""Prefix of the environment variables that describe the message."""


class CommandDriver:
    """Runs a program with the message on standard input; its standard output is the answer.

    Args:
        setup: `arguments` are the program and its arguments.
        environ: Environment that the program inherits.
        tee: Called with each chunk of its standard error.

    Raises:
        ConfigError: There is no such program.
    """

    def __init__(
        self,
        setup: DriverSetup,
        *,
        environ: Mapping[str, str] = os.environ,
        tee: Tee = write_to_stderr,
    ) -> None:
        if not setup.arguments:
            raise ConfigError("the command driver needs a program: serve … -- PROGRAM ARGS…")
        why = why_not_executable(setup.arguments[0], environ.get("PATH"))
        if why is not None:
            raise ConfigError(why)
        self._setup = setup
        self._environ = environ
        self._tee = tee
        self._answers = setup.state / "answers"

    async def handle(self, message: Delivery) -> Outcome:
        """Run the program once."""
        output = self._answers / f"{message.id}-{message.attempt}.txt"
        try:
            ran = await self._run(message, output)
        except OSError as error:
            await asyncio.to_thread(_discard, output)
            return Deferred(await asyncio.to_thread(self._why_not_started, error))
        except asyncio.CancelledError:
            await asyncio.to_thread(_discard, output)
            raise
        return await asyncio.to_thread(self._outcome, ran, output)

    async def _run(self, message: Delivery, output: Path) -> Ran:
        program = Program(
            self._setup.arguments,
            message_environment(message, self._environ),
            self._setup.time_limit,
            OUTPUT_MAX,
        )
        stdout = await asyncio.to_thread(_create, output)
        try:
            return await run_program(
                program, stdin=message_json(message), stdout=stdout, tee=self._tee
            )
        finally:
            os.close(stdout)

    def _why_not_started(self, error: OSError) -> str:
        program = self._setup.arguments[0]
        why = why_not_executable(program, self._environ.get("PATH"))
        return f"cannot start {program}: {why or error.strerror or error}"

    def _outcome(self, ran: Ran, output: Path) -> Outcome:
        if ran.status == 0 and ran.cut is None:
            return Done(_answer(output))
        _discard(output)
        return verdict(ran, self._setup.time_limit)


def message_json(message: Delivery) -> bytes:
    """Return the message as one line of JSON, with the field names of the wire."""
    fields = present(message)
    del fields["lease"]
    return json.dumps(fields).encode() + b"\n"


def message_environment(message: Delivery, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that processes the message.

    Variables with `PREFIX` that the harness itself inherited are not passed on.
    """
    values = {
        "ID": message.id,
        "FROM": message.sender,
        "KIND": message.kind,
        "SENT_AT": message.sent_at,
        "ATTEMPT": message.attempt,
        "REDELIVERED": "true" if message.redelivered else "false",
        "IN_REPLY_TO": message.in_reply_to,
        "LABEL": message.label,
    }
    return {
        **{name: value for name, value in inherited.items() if not name.startswith(PREFIX)},
        **{
            PREFIX + name: str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
            for name, value in values.items()
            if value is not None
        },
    }


def verdict(ran: Ran, time_limit: float) -> Failed | Deferred:
    """Return the outcome of a program that did not succeed.

    Exit status 75 is EX_TEMPFAIL of sysexits.h: try again later.
    """
    match ran.cut:
        case Cut.TIME:
            return Failed(_reason(f"ended after the time limit of {time_limit:g} s", ran))
        case Cut.OUTPUT:
            return Failed(_reason(f"ended because it printed more than {OUTPUT_MAX} bytes", ran))
    if ran.status == os.EX_TEMPFAIL:
        return Deferred(_reason("asked to try again later (exit status 75)", ran))
    if ran.status > 0:
        return Failed(_reason(f"exited with status {ran.status}", ran))
    return Failed(_reason(f"killed by {_signal_name(-ran.status)}", ran))


def _reason(end: str, ran: Ran) -> str:
    if not ran.last_lines:
        return end
    text = " | ".join(ran.last_lines[-REASON_LINES:])
    if len(text) > STDERR_MAX:
        text = "…" + text[-STDERR_MAX:]
    return f"{end}; its last words: {text}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _answer(output: Path) -> str | SavedText | None:
    """Return the answer from the file, and delete the file unless it is too long to be sent."""
    size = output.stat().st_size
    if size > ANSWER_MAX:
        return SavedText(output, size)
    with output.open("rb") as file:
        text = reply_text(file.read(ANSWER_MAX))
    _discard(output)
    return text


def _create(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _discard(path: Path) -> None:
    with suppress(FileNotFoundError):
        path.unlink()
