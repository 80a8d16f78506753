"""The names of verbs in the sentences of the daemon, as the command line has them.

The daemon names the requests of its wire, which the tools of a model are named after. The verbs of
the programs have dashes, and one has another name.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

VERBS: Mapping[str, str] = {
    "loose_ends": "loose-ends",
    "set_status": "set-status",
    "get_logs": "logs",
    "request_spawn": "request-spawn",
    "request_apply_commit": "request-apply-commit",
    "request_init_config": "request-init-config",
    "request_schedule": "request-schedule",
    "request_adopt": "request-adopt",
    "request_release": "request-release",
    "request_update_inputs": "request-update-inputs",
}
"""Each verb whose name differs, by the name of its request."""


def with_verbs(sentence: str) -> str:
    """Return a sentence in which the quoted names of requests are those of verbs."""
    for request, verb in VERBS.items():
        sentence = sentence.replace(f"'{request}'", f"'{verb}'")
    return sentence
