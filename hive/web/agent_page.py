"""The page of a participant: its turn as it happens, its mail, and what can be done with it."""

from __future__ import annotations

from urllib.parse import quote

from attrs import field, frozen
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hive.errors import HiveError, NotFoundError, UnavailableError
from hive.view.places import Place
from hive.view.status_lines import facts_of
from hive.view.urgency import WRONG
from hive.web.agent_picture import AgentPicture, AgentSource
from hive.web.agent_plots import PLOTTED_TURNS, plots
from hive.web.hive_picture import HivePicture, PictureSource
from hive.web.live_lists import Lists, MadeOnce
from hive.web.overview_page import notices, with_tier
from hive.web.page_answers import PageAnswers, Row
from hive.web.tool_texts import turn_event

LOG_LINES = 500
"""Lines of output on the page of it."""


@frozen(eq=False)
class _OpenAgent:
    """A participant of whom pages are open.

    Attributes:
        source: Its pictures.
        lists: Makes their HTML.
        events: The events of its turn that are shown, as HTML, so that each is made once.
    """

    source: AgentSource
    lists: MadeOnce[AgentPicture]
    events: dict[tuple[str, str, str], Markup] = field(factory=dict)


class AgentPage:
    """Answers requests for the pages of participants.

    Args:
        answers: Answers with pages.
        source: The pictures of the hive.
    """

    def __init__(self, answers: PageAnswers, source: PictureSource) -> None:
        self.answers = answers
        self.source = source
        self._open: dict[str, _OpenAgent] = {}

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/agent/{name}/", self.show),
            Route("/agent/{name}/output", self.output),
            Route("/agent/{name}/statistics", self.statistics),
            Route("/live/agent/{name}", self.live),
        ]

    async def show(self, request: Request) -> Response:
        """Return the page of a participant."""
        name = request.path_params["name"]
        picture = await self._agent(name).source.now()
        if picture.row is None:
            raise _missing(name, picture.hive)
        return self.answers.page(
            request,
            "agent.html",
            name=name,
            is_peer=picture.row.get("kind") == "peer",
            lists=self._made(picture),
            trouble=picture.hive.trouble,
        )

    async def live(self, request: Request) -> Response:
        """Keep the page up to date."""
        name = request.path_params["name"]
        hive = await self.source.now()
        if hive.row_of(name) is None and hive.trouble is None:  # else the page waits for the daemon
            raise _missing(name, hive)
        found = self._agent(name)
        return self.answers.live(request, found.source.latest, found.lists)

    async def output(self, request: Request) -> Response:
        """Return the page of what an agent has printed."""
        name = request.path_params["name"]
        found = (await self.answers.client.ask("logs", name=name, lines=LOG_LINES))["lines"]
        return self.answers.page(request, "output.html", name=name, text="\n".join(found))

    async def statistics(self, request: Request) -> Response:
        """Return the page of what the turns of an agent took."""
        name = request.path_params["name"]
        found = (await self.answers.client.ask("turns", name=name, max=PLOTTED_TURNS))["turns"]
        made = plots(found, self.answers.now())
        return self.answers.page(request, "statistics.html", name=name, plots=made)

    def _agent(self, name: str) -> _OpenAgent:
        """Return what the open pages of a participant share; those without pages are dropped."""
        self._open = {
            key: each
            for key, each in self._open.items()
            if each.source.latest.is_watched or key == name
        }
        if name not in self._open:
            source = AgentSource(name, self.answers.client, self.source)
            self._open[name] = _OpenAgent(source, MadeOnce(self._made))
        return self._open[name]

    def _made(self, picture: AgentPicture) -> Lists:
        part, row, name = self.answers.templates.part, picture.row, picture.name
        said = notices(picture.hive, self.answers)
        if row is None:
            return {"notices": {**said, "gone": part("notice", f"{name} has left the hive")}}
        if picture.trouble is not None:
            said["trouble"] = part("notice", picture.trouble)
        back = f"/agent/{quote(name)}/"
        place = picture.hive.places.get(name, Place("unknown", 0))
        return {
            "notices": said,
            "head": {"head": part("head", with_tier(row, place.tier), place.tier)},
            "asks": {
                **({"login": part("login", row)} if row.get("needs_login") else {}),
                **{f"q{each['id']}": part("question", each, back) for each in picture.questions},
            },
            "turn": self._turn(picture),
            "acts": {} if row.get("kind") == "peer" else {"acts": part("acts", row, back)},
            "facts": {"facts": part("facts", self._facts(row))},
            "inbox": {f"m{each['id']}": part("mail", each) for each in picture.inbox[::-1]},
            "later": {
                **{f"r{each['id']}": part("reminder", each) for each in picture.reminders},
                **{f"s{each['id']}": part("schedule", each) for each in picture.schedules},
            },
            "turns": {f"u{each['id']}": part("turn", each) for each in picture.turns[::-1]},
        }

    def _turn(self, picture: AgentPicture) -> dict[str, Markup]:
        opened = self._open.get(picture.name)
        before = opened.events if opened else {}
        keys = [(each["at"], each["kind"], each["text"]) for _, each in picture.live]
        parts = {key: before.get(key) or self._event(*key) for key in keys}
        if opened:
            opened.events.clear()
            opened.events.update(parts)
        numbers = [number for number, _ in picture.live]
        return {f"t{number}": parts[key] for number, key in zip(numbers, keys, strict=True)}

    def _event(self, at: str, kind: str, text: str) -> Markup:
        return self.answers.templates.part("event", at, kind, turn_event(kind, text))

    def _facts(self, row: Row) -> list[tuple[str, str]]:
        try:
            return facts_of(row, self.answers.now())
        except WRONG as error:
            return [("Unreadable", str(error))]


def _missing(name: str, hive: HivePicture) -> HiveError:
    """Return why there is no page of a participant."""
    if hive.trouble is not None:
        return UnavailableError(hive.trouble)
    return NotFoundError(f"there is no participant {name!r} now; the first page has all")
