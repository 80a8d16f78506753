"""The two forms in which a program gets a message: environment variables and a JSON object."""

from __future__ import annotations

import json
from collections.abc import Mapping

from hive.client.api import Delivery
from hive.wire.codec import present

PREFIX = "HIVE_MESSAGE_"


def message_json(message: Delivery) -> bytes:
    """Return the message as one line of JSON, with the field names of the wire."""
    fields = present(message)
    del fields["lease"]
    return json.dumps(fields).encode() + b"\n"


def message_environment(message: Delivery, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a program that works on the message.

    Variables of a message that the harness itself may have inherited are not passed on.
    """
    values = {
        "ID": message.id,
        "FROM": message.sender,
        "KIND": message.kind,
        "SENT_AT": message.sent_at,
        "ATTEMPT": message.attempt,
        "REDELIVERED": "true" if message.redelivered else "false",
        "IN_REPLY_TO": message.in_reply_to,
        "LABEL": message.label,
    }
    return {
        **{name: value for name, value in inherited.items() if not name.startswith(PREFIX)},
        **{
            PREFIX + name: str(value).replace("\0", "\N{REPLACEMENT CHARACTER}")
            for name, value in values.items()
            if value is not None
        },
    }
