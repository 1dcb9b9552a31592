"""Webhooks that somebody kept: out of a carrier's debugger, a log, or a test.

A file is one JSON value, or a line each. A webhook is what the carrier posted (Telnyx's event, Twilio's fields as an
object or as the form's text), or an object around it: {"carrier", "path" or "url", "body"}, all but the body optional.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from patter_cli import registry
from patter_cli.contracts.carrier.rehearsed import Rehearsed, WrittenWebhook
from patter_cli.errors import ConfigError, InputError, reason

MOST_BYTES: Final = 1 << 20
_ADDRESS: Final = re.compile(r"/webhooks/([a-z][a-z0-9-]*)/([a-z]{1,16})(?:[?#]|$)")


def writer(carrier: str) -> Rehearsed:
    """What writes a carrier's webhooks. Raises UnknownProvider, ConfigError."""
    made = registry.find("carrier", carrier).load()()
    if not isinstance(made, Rehearsed):
        raise ConfigError(f"{carrier}'s webhooks cannot be written here", hint="its package has nothing that does so")
    return made


def read_webhooks(path: Path, carrier: str) -> list[tuple[str, WrittenWebhook]]:
    """The webhooks in a file, with whose each is, in their order. carrier: whose they are; "": they tell themselves.

    Raises InputError where there is none, or where one is nobody's.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {reason(error)}", hint="name a file with webhooks: --replay webhooks.jsonl"
        ) from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES >> 20} MB", hint="cut out the webhooks that are wanted")
    found = [_webhook(each, carrier, where) for where, each in _values(content.decode("utf-8", "replace"), path)]
    if not found:
        raise InputError(f"{path} holds no webhook", hint="keep the carrier's JSON in it, or the form's text")
    return found


def _values(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    """(where it stands, JSON value or text)"""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{path}:{number}", _value(line)
    else:
        several = whole if isinstance(whole, list) else [whole]
        yield from ((f"{path}, webhook {number}", each) for number, each in enumerate(several, 1))


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return line


def _webhook(kept: Any, carrier: str, where: str) -> tuple[str, WrittenWebhook]:
    kind = ""
    if isinstance(kept, dict) and "body" in kept:
        address = _ADDRESS.search(str(kept.get("path") or kept.get("url") or ""))
        if address is not None:
            carrier, kind = carrier or address[1], address[2]
        carrier = carrier or str(kept.get("carrier") or "")
        kept = kept["body"]
    names = [carrier] if carrier else [row.name for row in registry.rows("carrier") if row.keys]
    for name in names:
        made = registry.find("carrier", name).load()()
        found = made.rewrite_webhook(kept) if isinstance(made, Rehearsed) else None
        if found is not None:
            return name, replace(found, kind=kind) if kind else found
    raise InputError(
        f"{where} is no webhook of {carrier or 'any carrier here'}",
        hint="Telnyx's JSON event, Twilio's form, or an object with one of them as its body",
    )
