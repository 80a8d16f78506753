"""Handlers of host.sock for the dashboard, and about it."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import evolve

from hive.config import WebConfig
from hive.errors import BadRequestError
from hive.gateway.dispatch import Fields, serves
from hive.gateway.handlers.services import OperatorConnection
from hive.wire import web_requests as wire


class WebHandlers(OperatorConnection):
    """The verbs that the dashboard needs, and that name its addresses."""

    __slots__ = ()

    @serves(wire.Urls)
    def _urls(self, request: wire.Urls) -> Fields:
        url = self.services.config().web.url
        if url is None:
            return {"urls": {}}
        first = f"{url}/"
        return {"urls": {"domain": urlsplit(url).hostname, "home": first, "dashboard": first}}

    @serves(wire.ActFor)
    def _act_for(self, request: wire.ActFor) -> Fields:
        if not request.via.isprintable():
            raise BadRequestError("'via' may only have printable characters")
        self.origin = evolve(self.origin, via=request.via)
        return {}

    @serves(wire.ShowWebSettings)
    def _web_settings(self, request: wire.ShowWebSettings) -> Fields:
        return {"web": _settings_row(self.services.config().web)}


def _settings_row(web: WebConfig) -> wire.WebSettingsRow:
    return wire.WebSettingsRow(
        url=web.url,
        listen=web.listen,
        session_seconds=web.sessions,
        certificate=None if web.certificate is None else str(web.certificate),
        key=None if web.key is None else str(web.key),
        trusted_proxies=list(web.trusted_proxies),
        quiet_hours=None if web.quiet_hours is None else str(web.quiet_hours),
    )
