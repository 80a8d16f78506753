"""docs/harness.md agrees with the code."""

import re
import subprocess
from pathlib import Path

import click
import pytest

from hive.client.agent import Delivery
from hive.errors import BROKEN_PIPE, INTERRUPTED, ExitStatus
from hive.harness import environment
from hive.harness.cli.verb_groups import FIRST_OF_GROUP, agent, manager
from hive.harness.command import message_environment, message_json
from hive.harness.tools.asks import AskTools
from hive.harness.tools.participants import ManagerTools

PAGE = Path(__file__).parents[2] / "docs" / "harness.md"
MESSAGE = Delivery(
    7, "bob", "two words", "2026-11-22T14:00:00.000Z", 1, False, "l", "agent", 5, "cron", 3, "high"
)


def first_column(section: str) -> list[str]:
    text = PAGE.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [word.strip() for word in re.findall(r"^\| `?([\w -]+)", text, re.MULTILINE)]


def test_every_field_and_variable_is_named():
    named = set(first_column("What the program gets"))
    fields = set(re.findall(rb'"(\w+)": ', message_json(MESSAGE)))
    variables = set(message_environment(MESSAGE, {}))
    own = {"HIVE_NAME", environment.SOCKET, environment.STATE, environment.STOP_TIMEOUT}
    assert named - {"field", "variable"} == {f.decode() for f in fields} | variables | own


def test_the_help_lists_every_verb_once_in_a_group_with_a_title():
    for program in (agent, manager):
        context = click.Context(program)
        groups = dict(program.groups(context))
        assert "" not in groups, "each has a title"
        verbs = [verb for each in groups.values() for verb in each]
        assert verbs == list(program.commands)
        assert groups["The harness"] == ["serve", "hook", "mcp", "converse"]
        assert groups["The shell"] == ["completion", "help"]
        help_text = program.get_help(context)
        assert all(f"\n{title}:\n" in help_text for title in groups)
    assert set(FIRST_OF_GROUP.values()) == set(groups), "the manager has all of them"


def test_each_argument_that_names_a_participant_is_completed():
    new = {"request-spawn", "request-init-config"}
    for verb, command in manager.commands.items():
        for each in command.params:
            if each.name in {"name", "to"} and verb not in new:
                assert each._custom_shell_complete is not None, (verb, each.name)


def test_every_exit_status_is_named():
    statuses = [int(one) for one in first_column("Exit statuses") if one.isdigit()]
    of_the_operator = {ExitStatus.WAITING}  # only `hive-c0re attention` ends with it
    own = [each for each in ExitStatus if each not in of_the_operator]
    assert statuses == [*map(int, own), INTERRUPTED, BROKEN_PIPE]


def test_every_verb_is_named():
    verbs = {one.split()[0] for one in first_column("Verbs for scripts")} - {"verb"}
    assert verbs == set(manager.commands) - {"serve"}


def test_the_manager_has_a_verb_for_each_tool_by_which_it_asks():
    tools = (*AskTools(None).tools(), *ManagerTools(None).tools())
    asks = {tool.name: set(tool.schema["properties"]) for tool in tools if "request" in tool.name}
    other = {"commit_ref": "commit", "file": "manifest", "agent": "name"}
    for name, arguments in asks.items():
        verb = manager.commands[name.replace("_", "-")]
        assert arguments <= {other.get(each.name, each.name) for each in verb.params}


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
