"""docs/harness.md agrees with the code."""

import re
import subprocess
from pathlib import Path

import pytest

from hive.client.agent import Delivery
from hive.errors import ExitStatus
from hive.harness import environment
from hive.harness.cli import agent
from hive.harness.command import message_environment, message_json

PAGE = Path(__file__).parents[2] / "docs" / "harness.md"
MESSAGE = Delivery(
    7, "bob", "two words", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent", 5, "cron", 3, "high"
)


def first_column(section: str) -> list[str]:
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [word.strip() for word in re.findall(r"^\| `?([\w ]+)", text, re.MULTILINE)]


def test_every_field_and_variable_is_named():
    named = set(first_column("What the program gets"))
    fields = set(re.findall(rb'"(\w+)": ', message_json(MESSAGE)))
    variables = set(message_environment(MESSAGE, {}))
    own = {"HIVE_NAME", environment.SOCKET, environment.STATE, environment.STOP_TIMEOUT}
    assert named - {"field", "variable"} == {f.decode() for f in fields} | variables | own


def test_every_exit_status_is_named():
    statuses = [int(one) for one in first_column("Exit statuses") if one.isdigit()]
    assert statuses == [status.value for status in ExitStatus]


def test_every_verb_is_named():
    verbs = {one.split()[0] for one in first_column("Verbs for scripts")} - {"verb"}
    assert verbs == set(agent.commands) - {"serve"}


@pytest.mark.parametrize(
    ("language", "answer"), [("bash", "2"), ("python", None)], ids=["shell", "python"]
)
def test_the_examples_run(language, answer, tmp_path):
    script = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    assert len(script.splitlines()) <= 12
    program = tmp_path / "agent"
    program.write_text(script)
    program.chmod(0o755)
    done = subprocess.run([program], input=message_json(MESSAGE), capture_output=True, check=False)
    if answer is None:  # "two words" is no directory with a git repository
        assert done.returncode == 1
        assert b"two words" in done.stderr
    else:
        assert done.stdout.decode().strip() == answer
