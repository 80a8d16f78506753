"""What each page shows of the example swarm, and what its forms ask for."""

import asyncio
import json
import re
from urllib.parse import parse_qs, urlsplit

import pytest

from hive.errors import ConflictError, FailedError, UnavailableError
from hive.view.places import arrange
from hive.web.login_sessions import SessionBook
from hive.web.overview_page import grouped
from tests.top.swarm_answers import (
    APPROVAL,
    ITEMS,
    MESSAGES,
    NOW,
    SWARM,
    ago,
    message,
)
from tests.web.browsing import Answer, Browser
from tests.web.example_hive import CODER, QUESTION, SHA, browser_of, example_hive, with_answers
from tests.web.scripted_hive import ScriptedHive

pytestmark = pytest.mark.loops("asyncio")


@pytest.fixture
def hive() -> ScriptedHive:
    return example_hive()


@pytest.fixture
def browser(hive: ScriptedHive) -> Browser:
    return browser_of(hive)


def links(answer: Answer) -> list[str]:
    return re.findall(r'href="([^"]*)"', answer.text)


# The overview


async def test_what_needs_the_operator_is_first(browser: Browser) -> None:
    shown = (await browser.page("/")).shown
    assert shown.index("4 need you") < shown.index("merge or rebase?") < shown.index("agents ")
    assert "blocks coder, tester" in shown
    assert "deny in 10m" in shown


async def test_participants_are_in_the_order_of_top_by_project(browser: Browser) -> None:
    table = (await browser.page("/")).text.partition("<tbody")[2].partition("</tbody>")[0]
    found = re.findall(r'data-key="(?:row|title) ([^"]*)"', table)
    groups = [["coder", "tester"], ["scout", "docs", "hm1nd", "old"], ["damocles"]]
    titles = ["project web", "no project", "peers"]
    assert found == [
        each for title, names in zip(titles, groups, strict=True) for each in (title, *names)
    ]
    order = list(arrange(SWARM, {}, NOW, {"coder"}))
    for names in groups:
        assert names == [name for name in order if name in names]


async def test_the_project_with_the_most_urgent_agent_is_first() -> None:
    rows = [
        {"name": name, "project": project, "kind": kind}
        for name, project, kind in (
            ("a", "z", "agent"),
            ("b", None, "agent"),
            ("p", "z", "peer"),
            ("c", "a", "agent"),
            ("d", "z", "agent"),
            ("e", None, "manager"),
        )
    ]
    assert [row["name"] for row in grouped(rows)] == ["a", "d", "b", "e", "c", "p"]


async def test_words_and_ages_are_those_of_top(browser: Browser) -> None:
    shown = " ".join((await browser.page("/")).shown.split())
    assert "coder waiting 12m waiting 12m: merge or rebase? 2 12m - 61% $3.40 1.1G" in shown
    assert "tester running 4m working 4m: pytest -k broker 0 - 4m 34%~ - 906M~" in shown
    assert "scout failed 11m boom: no such key 1" in shown


async def test_mail_and_events_flow(browser: Browser) -> None:
    shown = " ".join((await browser.page("/")).shown.split())
    assert "#31 tester → operator 1m stored all tests pass" in shown
    assert shown.index("#31") < shown.index("#29")
    assert "docs) waits for you" in shown


async def test_what_is_put_off_can_be_shown_again(browser: Browser) -> None:
    page = await browser.page("/")
    assert "tester: all tests pass wakes in 1h" in " ".join(page.shown.split())
    assert 'action="/do/wake"' in page.text


async def test_a_hive_without_anything(hive: ScriptedHive, browser: Browser) -> None:
    with_answers(hive, agent_status={"agent_statuses": []}, attention={"items": []})
    with_answers(hive, search={"messages": []}, events={"events": []}, overview={"overview": {}})
    assert "Nothing needs you" in (await browser.page("/")).shown


# A participant


async def test_the_page_of_an_agent(browser: Browser) -> None:
    page = await browser.page("/agent/coder/")
    shown = " ".join(page.shown.split())
    for words in (
        *("coder waiting for 12m", "context 61 %", "$3.40 today", "1,234,567 tokens today"),
        *("question 12 coder → operator 12m", "#29 coder", "please run the tests"),
        *("in 15m look at CI", "3m done 1m message #29", "Bash=3", "Context 61 % full"),
    ):
        assert words in shown, words
    actions = set(re.findall(r'action="/do/([a-z_]*)"', page.text))
    lifecycle = {"interrupt", "pause", "new_session", "choose_model", "restart", "stop"}
    assert actions == {"answer", "send", *lifecycle}


async def test_an_agent_that_says_nothing_and_counts_no_tokens(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {**SWARM[0], "state": "stopped", "activity": None, "status_text": None, "reason": None}
    turn = {"id": 1, "ended_at": ago(9), "outcome": "done", "wake": "operator", "messages": [3]}
    with_answers(hive, agent_status={"agent_statuses": [row]}, turns={"turns": [turn]})
    page = await browser.page("/agent/coder/")
    assert '<p class="note"></p>' in page.text
    assert "0 in, 0 out" not in page.shown


async def test_a_peer_that_was_never_there_is_not_away_for_any_time(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {"name": "damocles", "kind": "peer", "state": "away", "since": None}
    with_answers(hive, agent_status={"agent_statuses": [row]})
    page = await browser.page("/agent/damocles/")
    head = page.text.partition('class="head"')[2].partition("</div>")[0]
    assert "away" in head
    assert "<span>for" not in head


async def test_a_model_is_chosen_before_the_first_turn(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {**SWARM[0], "active_model": None, "account": "fd54106dcdbcca8d"}
    with_answers(hive, agent_status={"agent_statuses": [row]})
    assert 'action="/do/choose_model"' in (await browser.page("/agent/coder/")).text


async def test_a_program_has_no_model_to_choose(hive: ScriptedHive, browser: Browser) -> None:
    row = {**SWARM[0], "active_model": None}
    with_answers(hive, agent_status={"agent_statuses": [row]})
    assert 'action="/do/choose_model"' not in (await browser.page("/agent/coder/")).text


async def test_the_choice_of_a_model_begins_with_what_was_chosen(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {**CODER, "chosen_model": "sonnet", "chosen_effort": "low"}
    with_answers(hive, agent_status={"agent_statuses": [row]})
    page = await browser.page("/agent/coder/")
    assert "<option selected>low</option>" in page.text
    assert 'name="model" value="sonnet"' in page.text


async def test_a_model_and_an_effort_are_chosen(hive: ScriptedHive, browser: Browser) -> None:
    page = await browser.page("/agent/coder/")
    assert "effort high" in page.shown
    assert "<option selected>" not in page.text, "nobody has chosen what it uses"
    form = {"token": page.token, "name": "coder", "back": "/"}
    await browser.post("/do/choose_model", {**form, "model": "opus", "effort": "max"})
    await browser.post("/do/choose_model", {**form, "model": "", "effort": ""})
    assert [asked for _, asked in hive.acted] == [
        {"cmd": "choose_model", "name": "coder", "model": "opus", "effort": "max"},
        {"cmd": "choose_model", "name": "coder"},
    ]


async def test_an_agent_that_is_stopped_and_paused_can_be_started_and_resumed(
    browser: Browser,
) -> None:
    actions = set(re.findall(r'action="/do/([a-z_]*)"', (await browser.page("/agent/old/")).text))
    assert {"start", "resume"} <= actions
    assert not {"stop", "restart", "pause"} & actions


async def test_a_peer_has_no_lifecycle(browser: Browser) -> None:
    page = await browser.page("/agent/damocles/")
    assert "its lifecycle is not the hive's" in page.shown
    assert set(re.findall(r'action="/do/([a-z_]*)"', page.text)) <= {"send", "answer"}


async def test_an_agent_without_a_login_says_what_to_do(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {**SWARM[2], "needs_login": True, "activity_about": "log in with /usr/bin/claude"}
    with_answers(hive, agent_status={"agent_statuses": [row]})
    shown = (await browser.page("/agent/docs/")).shown
    assert "docs needs a login" in shown
    assert "log in with /usr/bin/claude" in shown
    assert "hive-c0re attach docs" in shown


@pytest.mark.parametrize(
    ("hide", "has_header", "has_input"),
    [
        ("", True, True),
        ("header", False, True),
        ("input", True, False),
        ("header,input", False, False),
        ("input,unknown,header", False, False),
        ("Header,,footer,*", True, True),
    ],
)
async def test_parts_of_a_page_can_be_hidden(
    browser: Browser, hide: str, has_header: bool, has_input: bool
) -> None:
    page = await browser.page(f"/agent/coder/?hide={hide}")
    assert ('<nav aria-label="Pages">' in page.text) is has_header
    assert ("<textarea" in page.text) is has_input
    if has_input:  # and what is sent from it comes back to the same page
        assert f'name="back" value="/agent/coder/?hide={hide.replace(",", "%2C")[:6]}' in page.text


@pytest.mark.parametrize(
    ("referer", "back", "query"),
    [
        ("http://127.0.0.1:7000/agent/coder/?hide=header,input", "/agent/coder/", "header,input"),
        ("http://127.0.0.1:7000/agent/coder/?hide=input&done=x", "/agent/coder/?a=1", "input"),
        ("http://127.0.0.1:7000/agent/coder/?hide=header", "/agent/coder/?hide=input", "input"),
        ("http://127.0.0.1:7000/agent/coder/?hide=<script>", "/agent/coder/", None),
        ("http://[", "/agent/coder/", None),
        ("", "/agent/coder/", None),
    ],
)
async def test_what_is_hidden_stays_hidden_after_an_act_without_a_script(
    browser: Browser, referer: str, back: str, query: str | None
) -> None:
    form = {"token": (await browser.page("/")).token, "name": "coder", "back": back}
    answer = await browser.post("/do/pause", form, referer=referer)
    target = urlsplit(answer.headers["location"])
    assert target.path == "/agent/coder/"
    assert parse_qs(target.query).get("hide", [None])[-1:] == [query]
    assert (await browser.page(answer.headers["location"])).shown.count("coder is paused") == 1


@pytest.mark.parametrize("path", ["/agent/nobody/", "/live/agent/nobody"])
async def test_a_participant_that_is_none(browser: Browser, path: str) -> None:
    answer = await asyncio.wait_for(browser.get(path), 10)
    assert answer.status == 404
    assert "no participant 'nobody'" in answer.shown


async def test_without_a_daemon_nobody_says_that_a_participant_is_none(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, agent_status=UnavailableError("no daemon listens"))
    answer = await browser.get("/agent/coder/")
    assert answer.status == 503
    assert "no daemon listens" in answer.shown
    async with browser.live("/live/agent/coder") as page:
        _, changes = await page.next()
    assert "away" in next(each for each in changes if each["list"] == "notices")["parts"]


@pytest.mark.parametrize("number", ["0x1", "-1", "²", "9" * 19, "9" * 5000])
async def test_a_number_that_is_none(browser: Browser, number: str) -> None:
    for kind in ("message", "approval"):
        answer = await browser.get(f"/{kind}/{number}")
        assert answer.status == 404
        assert "its address ends with a number" in answer.shown


async def test_its_output_and_its_statistics(browser: Browser) -> None:
    assert "one\ntwo" in (await browser.page("/agent/coder/output")).shown
    page = await browser.page("/agent/coder/statistics")
    assert "cost: $0.25" in " ".join(page.shown.split())
    assert page.text.count("<rect") == 8  # four quantities of one turn, in two windows


@pytest.mark.parametrize("path", ["/", "/agent/coder/", "/agent/coder/statistics", "/approval/3"])
async def test_no_page_has_a_style_or_a_script_in_it(browser: Browser, path: str) -> None:
    text = (await browser.page(path)).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text)
    assert re.findall(r"<script[^>]*>", text) == ['<script src="/static/hive.js" defer>']


# Approvals


async def test_an_approval_shows_the_diff_and_is_bound_to_its_commit(browser: Browser) -> None:
    assert "more memory" in (await browser.page("/approvals")).shown
    page = await browser.page("/approval/3")
    assert '<span class="minus">-old\n</span><span class="plus">+new\n</span>' in page.text
    assert f'name="sha" value="{SHA}"' in page.text
    assert f"about commit {SHA} , and about no other" in " ".join(page.shown.split())


async def test_a_decision_carries_the_commit_that_was_shown_and_the_reason(
    hive: ScriptedHive, browser: Browser
) -> None:
    page = await browser.page("/approval/3")
    form = {"token": page.token, "number": 3, "sha": SHA, "note": "not now", "back": "/approvals"}
    answer = await browser.post("/do/deny", form)
    assert (answer.status, answer.headers["location"].partition("?")[0]) == (303, "/approvals")
    via, asked = hive.acted[0]
    assert asked == {"cmd": "deny", "id": 3, "sha": SHA, "note": "not now"}
    assert via == "web session 1"


async def test_an_approval_that_has_moved_on_is_refused_with_a_sentence(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, approve=ConflictError("approval 3 is about b2, you were shown a1"))
    page = await browser.page("/approval/3")
    form = {"token": page.token, "number": 3, "sha": SHA, "back": "/approval/3"}
    answer = await browser.post("/do/approve", form)
    again = await browser.page(answer.headers["location"])
    assert "approval 3 is about b2, you were shown a1" in again.shown


async def test_a_diff_that_is_not_shown_whole_says_so(hive: ScriptedHive, browser: Browser) -> None:
    page = await browser.page("/approval/3")
    assert "only the beginning" not in page.shown
    with_answers(hive, diff={"diff": "+x\n" * 700_000, "sha": SHA})
    assert "only the beginning is here" in (await browser.page("/approval/3")).shown


async def test_an_approval_without_a_diff_shows_its_content(
    hive: ScriptedHive, browser: Browser
) -> None:
    row = {**APPROVAL, "fetched_sha": None, "commit_ref": "", "content": "every 2h: look"}
    with_answers(hive, approval={"approval": {**row, "on_expiry": "hold"}})
    with_answers(hive, diff=FailedError("approval 3 has no commit"))
    page = await browser.page("/approval/3")
    assert "every 2h: look" in page.shown
    assert "There is no diff" not in page.shown


async def test_a_decided_approval_cannot_be_decided_again(
    hive: ScriptedHive, browser: Browser
) -> None:
    with_answers(hive, approval={"approval": {**APPROVAL, "status": "denied", "on_expiry": "hold"}})
    assert "/do/approve" not in (await browser.page("/approval/3")).text


# Mail


async def test_a_search_asks_for_what_was_typed(hive: ScriptedHive, browser: Browser) -> None:
    await browser.page("/mail?text=two+words&from=alice&to=")
    assert hive.asked[-1] | {"max": 0} == {
        "cmd": "search",
        "max": 0,
        "before": None,
        "text": "two words",
        "sender": "alice",
    }


async def test_a_message_of_an_agent_can_be_answered(hive: ScriptedHive, browser: Browser) -> None:
    page = await browser.page("/message/31")
    form = {"token": page.token, "number": 31, "name": "tester", "body": "good", "back": "/"}
    await browser.post("/do/reply", form)
    assert hive.acted[0][1] == {"cmd": "send", "to": "tester", "body": "good", "in_reply_to": 31}


async def test_a_question_whose_item_is_cut_links_to_all_of_it(
    hive: ScriptedHive, browser: Browser
) -> None:
    asked = next(each for each in ITEMS if each["kind"] == "question")
    long = {**asked, "id": "question-13", "number": 13, "text": "coder asks: merge or ..."}
    with_answers(hive, attention={"items": [asked, long]})
    page = await browser.page("/")
    assert re.findall(r'href="([^"]*)">all of it</a>', page.text) == ["/message/13"]


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("path", ["/", "/agent/coder/", "/message/12"])
async def test_a_question_of_which_several_options_may_be_chosen_has_boxes(
    hive: ScriptedHive, browser: Browser, path: str, multi: bool
) -> None:
    asked = message(12, "coder", "operator", "merge or rebase?", "stored", type="question")
    with_answers(hive, trace={"message": asked, "steps": []})
    with_answers(hive, questions={"questions": [{**QUESTION, "multi": multi}]})
    with_answers(hive, attention={"items": [{**ITEMS[0], "multi": multi}]})
    page = await browser.page(path)
    assert ('type="checkbox" name="option-2" value="rebase"' in page.text) is multi
    assert ('name="answer" value="rebase"' in page.text) is not multi


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ({"option-2": "rebase", "answer": ""}, "rebase"),
        ({"option-1": "merge", "option-3": "neither", "answer": " "}, "merge\nneither"),
        ({"option-1": "merge", "answer": "with a note"}, "merge\nwith a note"),
        ({"answer": "squash"}, "squash"),
    ],
)
async def test_the_answer_has_the_chosen_options_one_a_line(
    hive: ScriptedHive, browser: Browser, typed: dict[str, str], answer: str
) -> None:
    page = await browser.page("/")
    form = {"token": page.token, "number": 12, "back": "/", **typed}
    await browser.post("/do/answer", form)
    assert hive.acted[0][1] == {"cmd": "answer", "id": 12, "answer": answer}


async def test_an_answer_without_a_word_is_refused(hive: ScriptedHive, browser: Browser) -> None:
    page = await browser.page("/")
    found = await browser.post("/do/answer", {"token": page.token, "number": 12, "answer": " "})
    assert (found.status, hive.acted) == (400, [])
    assert "choose or write something first" in found.shown


async def test_an_open_question_is_answered_on_the_page_of_its_message(
    hive: ScriptedHive, browser: Browser
) -> None:
    asked = message(12, "coder", "operator", "merge or rebase?", "stored", type="question")
    with_answers(hive, trace={"message": asked, "steps": []})
    page = await browser.page("/message/12")
    assert 'action="/do/answer"' in page.text
    assert 'name="answer" value="rebase"' in page.text
    assert 'action="/do/reply"' not in page.text, "a reply would not answer it"
    with_answers(hive, questions={"questions": []})
    page = await browser.page("/message/12")
    assert 'action="/do/answer"' not in page.text
    assert 'action="/do/reply"' in page.text


async def test_an_answered_question_is_not_called_expired(
    hive: ScriptedHive, browser: Browser
) -> None:
    settled = {"type": "question", "reason": "question 12 was answered by operator"}
    asked = message(12, "coder", "operator", "may I?", "expired", **settled)
    with_answers(hive, trace={"message": asked, "steps": []}, search={"messages": [asked]})
    with_answers(hive, inbox={"messages": [asked]})
    for path in ("/message/12", "/mail", "/", "/agent/coder/"):
        page = await browser.page(path)
        assert '<span class="mark state-answered">answered</span>' in page.text, path
        assert "expired" not in page.text, path


async def test_a_dead_letter_is_replayed_or_discarded_with_a_reason(
    hive: ScriptedHive, browser: Browser
) -> None:
    page = await browser.page("/dead-letters")
    assert "do it" in page.shown
    form = {"token": page.token, "number": 17, "back": "/dead-letters"}
    await browser.post("/do/replay", form)
    await browser.post("/do/discard", {**form, "note": "too old"})
    assert [asked for _, asked in hive.acted] == [
        {"cmd": "replay", "ids": [17]},
        {"cmd": "discard", "ids": [17], "reason": "too old"},
    ]


# Forms


async def test_a_page_after_an_act_is_not_of_the_moment_before(
    hive: ScriptedHive, browser: Browser
) -> None:
    page = await browser.page("/")
    with_answers(hive, attention={"items": []})
    assert "4 need you" in (await browser.page("/")).shown, "moments ago is soon enough"
    await browser.post("/do/start", {"token": page.token, "name": "scout"})
    assert "Nothing needs you" in (await browser.page("/")).shown


async def test_one_logs_out_on_the_page_of_an_error(browser: Browser) -> None:
    page = await browser.get("/nowhere")
    assert page.status == 404
    assert page.token == (await browser.page("/")).token != ""


async def test_a_page_with_a_script_gets_words_and_stays(
    hive: ScriptedHive, browser: Browser
) -> None:
    page = await browser.page("/agent/coder/")
    form = {"token": page.token, "name": "coder", "body": "hello", "back": "/"}
    answer = await browser.post("/do/send", form, accept="application/json")
    found = json.loads(answer.text)
    assert (answer.status, found["done"]) == (200, "sent to coder")
    assert "sent to coder" in (await browser.page(found["page"])).shown, "loaded anew"
    with_answers(hive, send=ConflictError("the inbox of coder is full"))
    answer = await browser.post("/do/send", form, accept="application/json")
    assert json.loads(answer.text)["error"] == "the inbox of coder is full"
    answer = await browser.post("/do/send", {**form, "body": " "}, accept="application/json")
    assert (answer.status, answer.text) == (
        400,
        '{"error":"body is empty; write something first"}',
    )


@pytest.mark.parametrize("token", ["", "x", "0" * 64])
async def test_a_form_without_the_token_of_its_session_does_nothing(
    hive: ScriptedHive, browser: Browser, token: str
) -> None:
    answer = await browser.post("/do/start", {"token": token, "name": "scout"})
    assert answer.status == 403
    assert hive.acted == []


@pytest.fixture
def browsers(hive: ScriptedHive) -> tuple[Browser, Browser]:
    book = SessionBook(3600.0)
    first = browser_of(hive, book)
    return first, Browser(first.app, book.log_in(book.new_link(NOW), "another", NOW))


async def test_each_session_gets_its_own_token(browsers: tuple[Browser, Browser]) -> None:
    tokens = [(await each.page("/")).token for each in browsers]
    assert tokens[0] != tokens[1]


# Lists


async def test_the_audit_says_by_which_session(hive: ScriptedHive, browser: Browser) -> None:
    entry = {"seq": 1, "at": ago(5), "verb": "approve", "outcome": "done", "by": "operator"}
    with_answers(hive, audit={"entries": [{**entry, "via": "web session 4"}]})
    assert "web session 4" in (await browser.page("/audit")).shown


async def test_messages_link_to_their_trace(browser: Browser) -> None:
    assert "/message/31" in links(await browser.page("/mail"))
    assert MESSAGES[2]["body"] in (await browser.page("/message/31")).shown


async def test_one_logs_out_with_a_full_disk() -> None:
    async def full() -> None:
        raise FailedError("sessions.json cannot be written: No space left on device")

    book = SessionBook(3600.0)
    browser = await asyncio.to_thread(browser_of, example_hive(), book, save=full)
    token = (await browser.page("/")).token
    answer = await browser.post("/logout", {"token": token})
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert book.all(NOW) == []


async def test_a_program_that_asks_for_the_headers_of_a_link_does_not_log_in(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await Browser(browser.app).head("/login?token=x")).status == 200
    assert not caplog.records


async def test_no_page_with_a_token_is_kept_by_a_cache(browser: Browser) -> None:
    for path in ("/", "/static/nothing", "/nothing"):
        answer = await browser.get(path)
        assert answer.token
        assert answer.headers["cache-control"] == "no-store", path
    for path in ("/static/hive.css", "/worker.js"):
        assert (await browser.get(path)).headers["cache-control"] == "no-cache", path
