"""patter trigger: have a running server believe that a carrier has told it something, to try an agent."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from patter_cli.contracts.carrier.rehearsed import Happening

if TYPE_CHECKING:
    from patter_cli.contracts.carrier.rehearsed import WrittenWebhook
    from patter_cli.server.registration import Registration

EXAMPLES = (
    "Examples: patter trigger call --from +14155550123 · patter trigger completed · "
    "patter trigger machine --carrier telnyx · patter trigger --replay webhooks.jsonl"
)
STRANGERS: Final = "+1555010"
"""Who calls: nobody's numbers, and many, since one of them may call only so often."""
OURS: Final = "+15550100001"
"""Who is called where a server answers every number."""
_WORDS = [each.value for each in Happening]


def _complete(incomplete: str) -> list[str]:
    return [each for each in _WORDS if each.startswith(incomplete)]


def trigger(
    event: Annotated[
        str | None,
        typer.Argument(
            metavar="[EVENT]", help=f"One of {', '.join(_WORDS)}.", autocompletion=_complete, show_default=False
        ),
    ] = None,
    carrier: Annotated[str, typer.Option(help="Whose webhook; without it, of the server's carrier.")] = "",
    from_number: Annotated[
        str | None,
        typer.Option("--from", metavar="NUMBER", help="Who calls, or anonymous; without it, somebody else each time."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Who is called; without it, the first number that the server answers."),
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A field, as the carrier calls it.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Send again what was kept: JSON, or a line each.", show_default=False),
    ] = None,
) -> None:
    """Send a webhook of a carrier to the server that runs here, and print what it answers.

    What is not a new call is about the newest live call of the carrier, if there is one. Twilio's are signed and
    checked; for Telnyx, which alone can sign its own, they are handed in behind the check. The carrier is asked for
    nothing on a call that it has not: --set CallSid=… or call_control_id=… names one that it has. Exit code: 0 the
    server took all of it, 1 it did not.
    """
    import asyncio

    from patter_cli.callers import WITHHELD
    from patter_cli.errors import InputError

    if (event is None) is (replay is None):
        raise InputError("what shall be sent?", hint=f"patter trigger EVENT ({', '.join(_WORDS)}), or --replay FILE")
    values = _values(set_ or [])
    if replay is not None:
        if values:
            raise InputError("--set changes what is written, and --replay sends what was kept", hint="leave --set out")
        from patter_cli.cli.kept_webhooks import read_webhooks

        found = read_webhooks(replay, carrier)
        taken = asyncio.run(_replay(found))
    else:
        happening = _happening(str(event))
        _check_number("--from", from_number, WITHHELD)
        _check_number("--to", to)
        taken = asyncio.run(_trigger(happening, carrier, from_number or "", to or "", values))
    if not taken:
        raise typer.Exit(1)


def _happening(word: str) -> Happening:
    from patter_cli.errors import InputError

    try:
        return Happening(word)
    except ValueError:
        near = get_close_matches(word.lower(), _WORDS, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(_WORDS)}"
        raise InputError(f"there is no event {word!r}", hint=hint) from None


def _check_number(flag: str, given: str | None, *others: str) -> None:
    """Raises InputError for what carriers would not send; --set sends whatever is wanted."""
    from patter_cli.destinations import E164
    from patter_cli.errors import InputError

    if given is not None and given not in others and not E164.fullmatch(given):
        named = " or ".join(("a number like +14155550123", *others))
        raise InputError(f"{flag} cannot be {given!r}", hint=f"it must be {named}")


def _values(written: Sequence[str]) -> dict[str, str]:
    from patter_cli.errors import InputError

    pairs = [each.partition("=") for each in written]
    for text, (name, sign, _) in zip(written, pairs, strict=True):
        if not sign or not name:
            raise InputError(f"--set cannot be {text!r}", hint="--set CallStatus=busy")
    return {name: value for name, _, value in pairs}


async def _trigger(happening: Happening, carrier: str, caller: str, callee: str, values: Mapping[str, str]) -> bool:
    from secrets import randbelow

    from patter_cli.cli.kept_webhooks import writer
    from patter_cli.contracts.carrier.rehearsed import Sketch
    from patter_cli.server.control import ask
    from patter_cli.server.control_messages import Status

    server, name = _server(carrier)
    status = await ask(server, Status())
    about = "" if happening is Happening.CALL else _newest_call(status, name)
    sketch = Sketch(
        happening=happening,
        carrier_call_id=about,
        caller=caller or f"{STRANGERS}{randbelow(10_000):04}",
        callee=callee or next(iter(status["numbers"]), OURS),
        values=values,
        now_s=time.time(),
    )
    webhook = writer(name).write_webhook(sketch)
    if happening is not Happening.CALL and not webhook.real:
        print(f"no call of {name} is live, so this is about one that nobody knows", file=sys.stderr)
    return await _send(server, name, webhook)


async def _replay(found: Sequence[tuple[str, WrittenWebhook]]) -> bool:
    taken = [await _send(_server(name)[0], name, each) for name, each in found]
    return all(taken)


async def _send(server: Registration, carrier: str, webhook: WrittenWebhook) -> bool:
    """Have the server take it, and print what it answers; whether it took it."""
    from patter_cli.errors import InputError
    from patter_cli.server.control import ask
    from patter_cli.server.control_messages import MAX_LINE_BYTES, HandIn, render_request
    from patter_cli.text.printable import printable_lines

    wanted = HandIn(
        carrier=carrier,
        kind=webhook.kind,
        content_type=webhook.content_type,
        body=webhook.body,
        real=webhook.real,
    )
    if len(render_request(wanted, server.token)) > MAX_LINE_BYTES:
        raise InputError("the webhook is too long", hint=f"{MAX_LINE_BYTES >> 10} KB is more than carriers send")
    told = await ask(server, wanted)
    how = "signed" if told["signed"] else "behind the signature check, since only the carrier can sign it"
    print(f"/webhooks/{carrier}/{webhook.kind} of server {server.pid} on port {server.port}: {how}", file=sys.stderr)
    print(f"{told['status']} {told['content_type']}")
    if told["body"]:
        print(printable_lines(str(told["body"])))
    if told["declined"]:
        print("the call is declined; the server's log says why", file=sys.stderr)
    elif told["stream_url"] and not webhook.real:
        stream = "" if told["stream_url"] in told["body"] else f", with its stream at {told['stream_url']}"
        print(f"the call is taken{stream}; it is made up, so the carrier is asked for nothing", file=sys.stderr)
    return 200 <= int(told["status"]) < 300


def _server(carrier: str) -> tuple[Registration, str]:
    """The newest server with this carrier, or with one at all, and which it is. Raises PatterError."""
    from patter_cli import registry
    from patter_cli.errors import ConfigError, InputError, NotReachable
    from patter_cli.server.registration import default_run_folder, running

    if sys.platform == "win32":
        raise ConfigError("servers are not found by other programs on this system")
    if carrier:
        registry.find("carrier", carrier)
    local = {each.name for each in registry.rows("carrier") if not each.keys}
    servers = running(default_run_folder())
    if not servers:
        raise NotReachable("no server runs here", hint="patter serve, in another terminal")
    for each in reversed(servers):
        names = [name for name in each.carriers if name not in local]
        if carrier in names:
            return each, carrier
        if not carrier and len(names) > 1:
            raise InputError(f"the server has {' and '.join(names)}", hint=f"--carrier {names[0]}")
        if not carrier and names:
            return each, names[0]
    whose = carrier or "a carrier"
    raise ConfigError(
        f"the server that runs here has no keys of {whose}",
        hint="export them before patter serve; to try things, made-up ones will do: "
        f"TWILIO_ACCOUNT_SID=AC{0:032} TWILIO_AUTH_TOKEN=made-up",
    )


def _newest_call(status: Mapping[str, Any], carrier: str) -> str:
    """Of the live ones; "" if there is none."""
    found = [each for each in status["calls"] if each["carrier"] == carrier]
    return str(min(found, key=lambda each: each["seconds"])["carrier_call_id"]) if found else ""
