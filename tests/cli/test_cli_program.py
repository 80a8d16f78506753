"""The program as run by a shell: start-up, exit statuses, signals, pipes, terminals."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hive.errors import UnavailableError
from hive.wire import host
from hive.wire.rows import EventRow, StatusRow

HEAVY = {"asyncio", "uvloop", "attr", "attrs", "aiosqlite", "sqlite3", "msgspec", "rich"}

ALICE = StatusRow(
    name="alice",
    running=True,
    failed=False,
    needs_update=False,
    needs_login=False,
    kind="agent",
    state="running",
    pid=4242,
    source="kernel",
    status_text="a rather long line about what it is doing at the moment, and more",
)


@pytest.fixture(name="answers")
def _answers(daemon):
    daemon.on(host.ListAgents, {"agents": ["alice"], "peers": ["atlas", "bob"]})
    daemon.on(host.AgentStatus, {"agent_statuses": [ALICE]})
    daemon.on(host.Tree, {"tree": {"path": "hive-c0re", "kind": "supervisor", "state": "running"}})
    daemon.on(host.OperatorSend, {"id": 42})
    daemon.on(host.RegisterPeer, {"socket": "/run/x"})
    daemon.on(host.ShowInbox, {"messages": []})
    daemon.on(host.Logs, {"lines": ["x"]})
    daemon.on(host.Turns, {"turns": []})
    daemon.on(host.ListQuestions, {"questions": []})
    daemon.on(host.ListLimits, {"limits": []})
    daemon.on(host.Events, {"events": [EventRow(seq=1, at="2026-01-02T03:04:05Z", event="up")]})
    return daemon


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["serve", "--help"],
        ["send", "alice", "hello"],
        ["send", "alice", "hello", "--json"],
        ["list"],
        ["inbox"],
        ["status"],
        ["tree"],
        ["logs", "alice"],
        ["events"],
        ["turns", "alice"],
        ["questions"],
        ["limits"],
        ["answer", "7", "yes"],
        ["cancel", "alice"],
        ["stop", "alice"],
        ["spawn", "alice", "--", "cat"],
        ["register-peer", "bob"],
        ["completion", "fish"],
    ],
)
def test_verbs_import_only_what_they_use(answers, args):
    code = (
        "import sys; from hive.cli.main import main; status = main(sys.argv[1:]);"
        f"sys.exit(' '.join(sorted({HEAVY!r} & set(sys.modules))) or status)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_no_verb():
    code = (
        "import sys; from hive.cli.main import main; main(['--help']);"
        "sys.exit(' '.join(sorted(name for name in sys.modules if name.startswith('hive.cli.'))))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    modules = ("help_groups", "main", "output", "program", "quick_verbs", "verb_examples")
    assert done.stderr.split() == [f"hive.cli.{name}" for name in modules]


def test_the_installed_program_ends_with_the_status_of_the_verb(answers, run_dir):
    script = Path(sys.executable).with_name("hive-c0re")

    fine = subprocess.run([script, "list", "--agents"], capture_output=True, text=True, check=False)
    unknown = subprocess.run([script, "status", "nobody"], capture_output=True, check=False)

    assert (fine.returncode, fine.stdout) == (0, "alice\n")
    assert unknown.returncode == 4


def test_version(program):
    import hive

    assert program("--version").out == f"hive-c0re {hive.__version__}\n"


def test_stdin_is_the_body(answers, program):
    ran = program("send", "alice", stdin="from a pipe\n")

    assert ran.out == "42\n"
    assert answers.requests == [host.OperatorSend(to="alice", body="from a pipe\n")]


def test_a_reader_that_closes_the_pipe_gets_no_error_message(answers, run_dir):
    answers.on(host.Logs, {"lines": ["x" * 100] * 5000})

    done = subprocess.run(
        f"{sys.executable} -m hive.cli logs alice | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout == "x" * 100 + "\n"
    assert done.returncode == 141


@pytest.mark.parametrize("args", [["events", "-f"], ["logs", "alice", "-f"]])
def test_ctrl_c_ends_a_stream_without_a_traceback(answers, terminal, args):
    shell = terminal(*args)
    shell.expect("\n")
    shell.type("\x03")

    assert shell.end() == 130
    assert "Traceback" not in shell.seen


def test_sigint_ends_a_watch_in_a_pipe(answers, run_dir):
    process = subprocess.Popen(
        [sys.executable, "-m", "hive.cli", "status", "--watch", "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("NAME")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert "Traceback" not in err


@pytest.mark.parametrize("program", ["hive-c0re", "hive-ag3nt"])
def test_ctrl_c_ends_a_verb_that_waits_for_the_daemon(tmp_path, program):
    path = tmp_path / "host.sock"
    env = {**os.environ, "HYPERHIVE_RUN_DIR": str(tmp_path), "HIVE_SOCKET": str(path)}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        process = subprocess.Popen(
            [Path(sys.executable).with_name(program), "send", "alice", "hello"],
            env=env,
            stderr=subprocess.PIPE,
            text=True,
        )
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(65536)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err.strip() == ""


def answer_troubles(daemon, *sentences):
    """Answer each request for the status with the next trouble, and then with unavailability."""
    left = iter(sentences)

    def answer(_):
        try:
            return [{"agent_statuses": [ALICE], "trouble": next(left)}]
        except StopIteration:
            return [UnavailableError("gone")]

    daemon.answers[host.AgentStatus] = answer


def test_a_watch_reports_trouble_once_for_each_change(daemon, hive):
    answer_troubles(daemon, None, "full", "full", "full", "damaged", None, None)

    ran = hive("status", "--watch", "0.1")

    assert ran.err.splitlines() == [
        "hive-c0re: full",
        "hive-c0re: damaged",
        "hive-c0re: the store accepts writes again",
        "hive-c0re: gone",
    ]


def test_a_watch_on_a_terminal_reports_trouble_above_the_view(daemon, terminal):
    answer_troubles(daemon, None, *["full"] * 3, *[None] * 1000)
    shell = terminal("status", "--watch", "0.1")
    shell.expect("accepts writes again")
    shell.type("\x03")

    assert shell.end() == 130
    assert shell.seen.count("full") == 1


def test_watch_on_a_terminal_repaints_in_place(answers, terminal):
    shell = terminal("status", "--watch", "0.1")
    shell.expect("alice")
    # Cursor up: the second picture replaces the first.
    shell.expect("\x1b[1A")
    shell.type("\x03")

    assert shell.end() == 130
    assert "\x1b[?1049h" not in shell.seen
    assert "Traceback" not in shell.seen
    assert shell.seen.rindex("\x1b[?25h") > shell.seen.rindex("\x1b[?25l")


def test_a_watch_of_an_unknown_name_ends_at_once(answers, terminal):
    shell = terminal("status", "nobody", "--watch", "30")

    assert shell.end() == 4
    assert "there is no participant 'nobody'" in shell.seen


def test_a_table_on_a_wide_terminal(answers, terminal):
    shell = terminal("status", columns=160)

    assert shell.end() == 0
    assert "PID" in shell.seen
    assert "\x1b[" in shell.seen
    assert "● alice" in shell.seen


@pytest.mark.parametrize("columns", [80, 60, 40])
def test_a_table_on_a_narrow_terminal_never_wraps(answers, terminal, columns):
    shell = terminal("status", columns=columns, NO_COLOR="1", TERM="xterm")

    assert shell.end() == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shell.seen)
    assert "PID" not in plain
    assert "alice" in plain
    assert all(len(line) <= columns for line in plain.splitlines())


def test_no_color(answers, terminal):
    shell = terminal("status", NO_COLOR="1")

    assert shell.end() == 0
    assert "\x1b[32m" not in shell.seen
    assert "running" in shell.seen


def test_a_dumb_terminal_gets_plain_lines(answers, terminal):
    shell = terminal("status", TERM="dumb")

    assert shell.end() == 0
    assert "\x1b" not in shell.seen


def test_a_terminal_without_unicode(answers, terminal):
    shell = terminal("status", columns=70, PYTHONIOENCODING="ascii")

    assert shell.end() == 0
    assert "* alice" in shell.seen
    assert shell.seen.isascii()


def test_text_that_the_output_cannot_encode_is_shown_escaped(answers, program):
    answers.on(host.Logs, {"lines": ["grün"]})

    assert program("logs", "alice", PYTHONIOENCODING="ascii").out == "gr\\xfcn\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(program, shell):
    ran = program("completion", shell)

    assert ran.status == 0
    assert "_HIVE_C0RE_COMPLETE" in ran.out


def test_a_shell_completes_verbs_and_names(answers):
    script = Path(sys.executable).with_name("hive-c0re")

    def complete(words: str, position: int) -> list[str]:
        done = subprocess.run(
            [script],
            env={
                **os.environ,
                "_HIVE_C0RE_COMPLETE": "bash_complete",
                "COMP_WORDS": words,
                "COMP_CWORD": str(position),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""
        return done.stdout.split()

    assert complete("hive-c0re st", 1) == [
        f"plain,{verb}" for verb in ("start", "stop", "status", "statusline")
    ]
    assert complete("hive-c0re status a", 2) == ["plain,alice", "plain,atlas"]


def test_completion_without_a_daemon_is_quiet(program):
    ran = program(
        _HIVE_C0RE_COMPLETE="bash_complete", COMP_WORDS="hive-c0re stop a", COMP_CWORD="2"
    )

    assert (ran.out.strip(), ran.err) == ("", "")


def test_ctrl_c_of_a_wait_says_what_was_stored(answers, terminal):
    waits = threading.Event()
    answers.on(host.OperatorSend, {"id": 7})
    answers.answers[host.Answers] = lambda _: [waits.set() or {"answers": []}]
    shell = terminal("send", "bob", "hi", "--wait")
    assert waits.wait(30)
    shell.type("\x03")

    assert shell.end() == 130
    assert "hive-c0re: message 7 is stored" in shell.seen


@pytest.mark.parametrize(("to", "status"), [(">&-", 0), ("<&-", 0), (">/dev/full", 1)])
def test_an_output_that_cannot_be_written(answers, run_dir, to, status):
    answers.on(host.ListAgents, {"agents": ["alice"], "peers": []})
    done = subprocess.run(
        ["/bin/sh", "-c", f'"$0" -m hive.cli list {to}', sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert done.stderr.count("\n") == status
    assert ("No space left on device" in done.stderr) == (status == 1)
