"""Whatever an agent writes shows as text: it changes no element of a page, and no direction."""

import re
from html import unescape
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

from tests.top.swarm_answers import SWARM, ago, event, message
from tests.web.browsing import Browser
from tests.web.example_hive import RunningClock, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

CORPUS = [
    "<script>alert(1)</script>",
    "</script><script src=//evil.example></script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</textarea></pre></li></ul></table></main><h1>gone</h1>",
    "<!-- ",
    "]]><![CDATA[",
    "javascript:alert(1)",
    "&lt;b&gt; &#60;i&#62; &amp;",
    "{{ 7 * 7 }}{% for a in b %}{{ token }}",
    "\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe\u2066 \u2067\u200f",
    "nul\x00 del\x7f c1\x9b sep\u2028\u2029",
    "\ud800 half",
    "\ufeff\u200b\u2060\U000e0041 hidden",
    "data: x\n\nevent: ended\ndata: null",
    "%2e%2e/../..//evil",
    "https://evil.example/?a=b&c=d#e",
    "z" * 100_000,
]

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u200b\u200c\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)

FIELDS = frozenset(
    (
        *("text", "status_text", "activity_about", "reason", "cause", "description", "body"),
        *("question", "message", "subject", "note", "error", "answer", "last_end", "observed"),
        *("project", "session", "account", "active_model", "conflict", "last_result", "author"),
        *("trouble", "verdict", "label", "version", "host", "waits", "via"),
    )
)
"""The fields that a participant, its machine or its repository may have written."""

PAGES = [
    *("/", "/agent/coder/", "/agent/damocles/", "/agent/coder/output", "/agent/coder/statistics"),
    *("/approvals", "/approval/3", "/mail?text={}&from={}", "/message/31", "/dead-letters"),
    *("/deploys", "/events", "/audit?name={}", "/?done={}&error={}", "/agent/coder/?hide={}"),
]


class Elements(HTMLParser):
    """The elements of a page with the names of their attributes, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action"}]

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))


def written_by(text: str, value: Any, key: str = "") -> Any:
    """Return a value in which everything that an agent may write is this text."""
    if isinstance(value, dict):
        return {each: written_by(text, inner, each) for each, inner in value.items()}
    if isinstance(value, list | tuple):
        return [written_by(text, inner, key) for inner in value]
    is_written = key in FIELDS | {"options", "last_lines", "lines", "names", "blocks", "diff"}
    return text if is_written and isinstance(value, str) else value


def hive_of(text: str) -> ScriptedHive:
    """Return a daemon whose agents write this text wherever they can."""
    hive = example_hive()
    rows = [
        {
            **row,
            **dict.fromkeys(("reason", "cause", "activity_about", "status_text"), text),
            **dict.fromkeys(("description", "session", "account", "observed"), text),
            "status_set_at": ago(1),
            "last_lines": [text],
            "needs_login": True,
        }
        for row in SWARM
    ]
    with_answers(hive, agent_status={"agent_statuses": rows})
    with_answers(
        hive,
        events={"events": [event(1, "ended", "scout", reason=text, last_lines=[text])]},
        deploys={"deploys": [deploy(text)]},
        audit={"entries": [{**AUDIT, "reason": text, "via": text}]},
        trace={
            "message": message(31, "tester", "operator", text),
            "steps": [{**STEP, "reason": text}],
        },
    )
    hive.answers |= {
        verb: written_by(text, answer) for verb, answer in hive.answers.items() if answer
    }
    return hive


STEP = {"step": "nacked", "at": ago(60)}

AUDIT = {"seq": 1, "at": ago(5), "verb": "deny", "outcome": "done", "by": "operator"}


def deploy(text: str) -> dict[str, Any]:
    known = {"id": 4, "name": "coder", "source": "approval", "sha": "a41f", "step": "failed"}
    return {**known, "queued_at": ago(90), "ended_at": ago(60), "error": text}


def plain_of(text: str) -> str:
    """Return a harmless text that is as long and has as many lines."""
    return re.sub(r"[^\n]", "x", text) or "x"


@pytest.fixture(scope="module")
def browsers() -> Any:
    return [
        (text, browser_of(hive_of(text)), browser_of(hive_of(plain_of(text)))) for text in CORPUS
    ]


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("path", PAGES)
async def test_what_agents_write_changes_no_element(
    browsers: list[tuple[str, Browser, Browser]], path: str
) -> None:
    for text, hostile, harmless in browsers:
        word = quote(text[:200].encode(errors="replace"))
        found = await hostile.page(path.replace("{}", word))
        expected = await harmless.page(path.replace("{}", quote(plain_of(text[:200]))))
        elements = Elements(found.text)
        assert elements.found == Elements(expected.text).found, (path, text[:80])
        assert all(each.startswith("/") or each in {"data:,", "#main"} for each in elements.links)
        assert not UNSAFE.search(found.text), (path, text[:80])
        assert len(found.text) < 1_000_000


@pytest.fixture
def reading() -> Browser:
    return browser_of(hive_of("<b>bold</b> \u202eabc"))


@pytest.mark.loops("asyncio")
@pytest.mark.parametrize("path", ["/", "/agent/coder/", "/mail", "/message/31", "/approval/3"])
async def test_a_person_reads_what_was_written(reading: Browser, path: str) -> None:
    text = unescape((await reading.page(path)).text)
    assert "<b>bold</b> \\u202eabc" in text


@pytest.fixture
def live_browser() -> tuple[ScriptedHive, Browser]:
    hive = example_hive()
    return hive, browser_of(hive, clock=RunningClock())


@pytest.mark.sim
@pytest.mark.parametrize("kind", ["text", "tool", "tool_result", "note"])
async def test_what_an_agent_does_in_its_turn_is_one_part_for_each_event(
    live_browser: tuple[ScriptedHive, Browser], kind: str
) -> None:
    hive, browser = live_browser
    async with browser.live("/live/agent/coder") as page:
        await page.next()
        for text in CORPUS:
            hive.streams["watch"].put_nowait({"live": [{"at": ago(1), "kind": kind, "text": text}]})
        parts: dict[str, str] = {}
        while len(parts) < len(CORPUS):
            name, changes = await page.next()
            assert name == "changes"
            for change in changes:
                if change["list"] == "turn":
                    parts |= change["parts"]
    for part in parts.values():
        found = Elements(part).found
        assert {each[0].strip("/") for each in found} <= {"li", "time", "div", "pre", "span"}
        assert {name for each in found for name in each[1:]} <= {"class", "datetime", "tabindex"}
        assert not UNSAFE.search(part)
        assert len(part) < 200_000
