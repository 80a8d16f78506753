"""Completion of `hive-ag3nt` and `hive-m1nd` in shells, on the socket of a participant."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess

import pytest

from tests.support.daemons import PROGRAMS, HiveOnDisk


def in_bash(hive: HiveOnDisk, name: str, line: str) -> list[str]:
    """Return what bash offers a participant at the end of a line."""
    words = [*line.split(), ""] if line.endswith(" ") else line.split()
    script = (
        f'eval "$({words[0]} completion bash)"; COMP_WORDS=({" ".join(map(shlex.quote, words))}); '
        f"COMP_CWORD={len(words) - 1}; _{words[0].replace('-', '_')}_completion {words[0]}; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    env = {**os.environ, **hive.env, "HIVE_SOCKET": str(hive.socket_of(name))}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_offers_verbs_participants_and_open_questions(post: HiveOnDisk) -> None:
    asked = post.as_participant("ann", "ask", "May I?", "--to", "ben").stdout.strip()
    assert in_bash(post, "ben", "hive-ag3nt loose") == ["loose-ends"]
    assert in_bash(post, "ben", "hive-ag3nt send a") == ["ann"]
    assert "operator" in in_bash(post, "ben", "hive-ag3nt send ")
    assert in_bash(post, "ben", "hive-ag3nt answer ") == [asked]
    assert in_bash(post, "ann", "hive-ag3nt answer ") == []
    assert in_bash(post, "ann", "hive-ag3nt cancel question ") == [asked]
    assert in_bash(post, "ann", "hive-m1nd restart ") == ["sleepy"], "the agents only"
    assert in_bash(post, "ann", "hive-m1nd request-adopt c") == ["cat"], "the peers only"
    assert in_bash(post, "nobody", "hive-ag3nt send ") == [], "without a daemon nothing"
    post.as_participant("ann", "cancel", "question", asked)


@pytest.mark.parametrize("program", ["hive-ag3nt", "hive-m1nd", "hive-c0re"])
def test_each_program_prints_a_script_of_its_own_for_each_shell(program: str) -> None:
    for shell in ("bash", "zsh", "fish"):
        run = [PROGRAMS / program, "completion", shell]
        done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=True)
        variable = f"_{program.replace('-', '_').upper()}_COMPLETE={shell}_complete"
        assert variable in done.stdout
    done = subprocess.run(
        [PROGRAMS / program, "completion", "zsh"], capture_output=True, text=True, check=True
    )
    function = f"_{program.replace('-', '_')}"
    assert f"compdef {function}_completion {program}" in done.stdout
