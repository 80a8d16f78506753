"""What the reader of docs/installing.md takes for a command, and what for its output."""

from pathlib import Path

from hive.config import check
from hive.config.existence import LocalLookup
from tests.installing.installing_page import Command, sections, unmet
from tests.testbed.host import ROOT

PAGE = (ROOT / "docs/installing.md").read_text()

TEXT = """\
## One

```console
# first
problem  a: b
# second \\
    on
```

### Two

```toml
a = 1
```
"""


def test_commands_have_the_lines_that_are_shown_below_them():
    _, one, two = sections(TEXT)
    assert one.commands == [Command("first", ["problem  a: b"]), Command("second     on")]
    assert [command.may_fail for command in one.commands] == [True, False]
    assert (two.title, two.files, two.commands) == ("Two", ["a = 1\n"], [])


def test_lines_are_met_in_order_by_their_beginnings():
    command = Command("x", ["a", "b"])
    assert list(unmet(command, "a 1\nother\nb 2\n")) == []
    assert list(unmet(command, "b\na\n")) == ["b"]
    assert list(unmet(command, "")) == ["a", "b"]


def test_the_page_has_a_hive_toml_that_can_be_used(tmp_path: Path):
    [text] = [text for section in sections(PAGE) for text in section.files]
    path = tmp_path / "hive.toml"
    path.write_text(text)
    assert check(path, LocalLookup()).runtime.value == "machinectl"
