"""patter call: ring somebody with an agent, or everybody in a list, and stay until it is over."""

from __future__ import annotations

import json
import re
import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName
from patter_cli.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from patter_cli.call_result import CallResult
    from patter_cli.server.control_messages import PlaceCall
    from patter_cli.tui.live import LiveScreen

EXAMPLES = (
    "Examples: patter call +14155550123 reminder --var name=Anna · patter call +14155550123 --dry-run · "
    "patter call --csv people.csv reminder --concurrency 5 · patter call +12025550102 reminder --carrier lab"
)


def call(
    settings: Settings,
    number: Annotated[
        str | None, typer.Argument(metavar="[NUMBER]", help="Whom to ring, like +14155550123.", show_default=False)
    ] = None,
    agent: AgentName = None,
    amd: Annotated[bool, typer.Option("--amd/--no-amd", help="Find out whether a machine picks up.")] = True,
    voicemail_message: Annotated[str, typer.Option(help="What a machine is told, after its tone.")] = "",
    first_message: Annotated[str, typer.Option(help="What is said first, in place of the agent's greeting.")] = "",
    from_number: Annotated[
        str, typer.Option("--from", help="Which of your numbers to call from. (PHONE_NUMBER)", show_default=False)
    ] = "",
    ring_timeout: Annotated[str, typer.Option(help="Seconds that it may ring; none: as the carrier likes.")] = "25",
    var: Annotated[list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of prompt and words.")] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Do not stay; needs a server that runs.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the request, or whom of a list it would ring; send nothing."),
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Ring everybody in a file with a column number; the others are variables.", show_default=False
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(help="With --csv: calls at the same time.", min=1)] = 1,
    calls_per_second: Annotated[float, typer.Option(help="With --csv: new calls in a second.", min=0.01)] = 1.0,
    retries: Annotated[
        str, typer.Option(help="With --csv: again, where it was busy or nobody came; busy=3,no_answer=1,failed=1.")
    ] = "0",
    yes: Annotated[bool, typer.Option("--yes", help="With --csv: ring more than ten without asking.")] = False,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="WHAT", help="Ring also this country (GB) or kind of number (premium)."),
    ] = None,
    hours: Annotated[str, typer.Option(help="When people may be rung, by their own clock; any: always.")] = str(
        DEFAULTS.hours
    ),
    webhook_url: Annotated[
        str | None, typer.Option(metavar="HOST", help="Where the carrier reaches this machine.", show_default=False)
    ] = None,
    tunnel: Annotated[bool, typer.Option("--tunnel", help="Be reached through a Cloudflare tunnel.")] = False,
    port: Annotated[int, typer.Option(help="Port of a server of its own; 0: any that is free.")] = DEFAULTS.port,
    carrier: Annotated[
        str, typer.Option(help="Which carrier, if the keys of several are set; lab: one on this machine, no account.")
    ] = "",
    record: Annotated[
        bool, typer.Option("--record", help="Record both sides here, beside the call's journal.")
    ] = DEFAULTS.record,
    json_: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON; of a list, a line for each.")
    ] = False,
) -> None:
    """Ring NUMBER with the agent and stay until the call is over.

    A server that runs already makes the call; without one this starts its own. Exit code: 0 somebody or a machine
    answered, 1 nobody did, 4 the carrier failed.

    With --carrier lab, or lab:telnyx, nothing leaves this machine, and the number's last two digits say who picks up:
    01 a human, 02 a machine with a beep, 03 one without, 04 one that talks for 25 s, 05 a slow human, 06 one who says
    nothing, 07 a fax, 08 busy, 09 nobody, 10 unreachable, 11 hangs up at once, 12 has no time, 13 a menu, 14 declines.
    """
    from patter_cli.cli.lab import NUMBER, is_lab, lab_settings
    from patter_cli.cli.outgoing import chosen_agent, running_server
    from patter_cli.destinations import E164, find
    from patter_cli.errors import InputError
    from patter_cli.server.run import run

    if csv is not None and number is not None and agent is None:
        number, agent = None, number  # patter call --csv FILE AGENT
    if number is None and csv is None:
        raise InputError("whom shall it ring?", hint="patter call +14155550123 AGENT, or --csv FILE AGENT")
    if number is not None and csv is not None:
        raise InputError("--csv rings whom the file names, and no other number", hint=f"leave {number} out")
    lone = {"--concurrency": concurrency != 1, "--calls-per-second": calls_per_second != 1, "--retries": retries != "0"}
    if csv is None and (unused := [flag for flag, given in lone.items() if given]):
        raise InputError(f"{unused[0]} is for a list of people", hint=f"leave {unused[0]} out, or ring a list")
    lab = is_lab(carrier)
    if number is not None:
        find(number)  # what is no number is told before what else is missing
    if from_number and not E164.fullmatch(from_number):
        raise InputError(f"--from cannot be {from_number!r}", hint="one of your numbers, like +14155550123")
    if lab and (tunnel or settings.origin("public_host").source == "flag"):
        raise InputError("the lab is on this machine, and reaches it without a tunnel", hint="leave --tunnel out")
    if lab and (dry_run or detach):
        raise InputError("the lab is there for as long as the call", hint="leave out --dry-run and --detach")
    server = None if dry_run or lab else running_server(agent, carrier)
    if server is not None and settings.origin("record").source == "flag":
        raise InputError("a server that runs makes this call, and records as it was told", hint="patter serve --record")
    settings = lab_settings(settings) if lab else settings
    name = server[1] if server is not None else chosen_agent(agent)
    own = next((each.number for each in settings.numbers if each.agent == Path(name).stem), "")
    caller = from_number or settings.phone_number or own or (NUMBER if lab else "")
    if not caller:
        raise InputError("nobody said which number to call from", hint="--from +1…, or PHONE_NUMBER=+1…")
    wanted = _wanted(number or caller, caller, name, amd, voicemail_message, first_message, ring_timeout, var or [])
    if server is not None:
        wanted = _widened(wanted, settings)
    if detach and csv is not None:
        raise InputError("a list is rung by the command that has it", hint="leave out --detach")
    if detach and server is None:
        raise InputError("there is no server that would go on with the call", hint="patter serve, in another terminal")
    if dry_run and csv is None:
        _show_request(wanted, name, settings, carrier)
    elif csv is not None:
        from patter_cli.cli.call_list import ring_list
        from patter_cli.cli.campaign import Pace, read_retries

        pace = Pace(concurrency=concurrency, calls_per_s=calls_per_second, retries=read_retries(retries))
        code = ring_list(
            csv, wanted, name, pace, settings, server, carrier, tunnel=tunnel, dry_run=dry_run, yes=yes, as_json=json_
        )
        raise typer.Exit(code)
    else:
        from patter_cli.cli.screen import on_terminal, screen_for

        shows = not json_ and not detach
        screen = screen_for(f"patter call {name}", settings) if shows else None
        # The call's lines, and what the agent's code prints, are no data.
        with on_terminal(screen), redirect_stdout(sys.stderr) if json_ and not detach else nullcontext():
            result = run(_one(wanted, name, settings, server, detach, carrier, tunnel, screen))
        if result is not None:
            raise typer.Exit(_told(result, json_))


def _wanted(
    number: str, caller: str, agent: str, amd: bool, voicemail: str, first: str, ring: str, variables: list[str]
) -> PlaceCall:
    from patter_cli.errors import InputError
    from patter_cli.server.control_messages import MAX_RING_S, PlaceCall

    if ring != "none" and (not re.fullmatch("[0-9]{1,3}", ring) or not 1 <= int(ring) <= MAX_RING_S):
        raise InputError(f"--ring-timeout cannot be {ring!r}", hint=f"seconds from 1 to {MAX_RING_S}, or none")
    pairs = [each.partition("=") for each in variables]
    for written, (key, sign, _) in zip(variables, pairs, strict=True):
        if not sign or not key.isidentifier():
            raise InputError(f"--var cannot be {written!r}", hint="--var name=value")
    return PlaceCall(
        to=number,
        from_number=caller,
        agent=Path(agent).stem,
        variables={key: value for key, _, value in pairs},
        ring_timeout_s=None if ring == "none" else int(ring),
        detects_machines=amd,
        first_message=first,
        voicemail_message=voicemail,
    )


def _widened(wanted: PlaceCall, settings: Settings) -> PlaceCall:
    """What this command's rules say, for a server that has its own."""
    from dataclasses import replace

    hours = "" if settings.origin("hours").source == "default" else str(settings.hours or "any")
    return replace(wanted, allow=settings.allow, hours=hours)


def _show_request(wanted: PlaceCall, agent: str, settings: Settings, carrier: str) -> None:
    import asyncio

    from patter_cli import wiring
    from patter_cli.cli.outgoing import new_service
    from patter_cli.server.shown import shown_dial

    async def request() -> dict[str, object]:
        service = new_service(agent, settings, observers=(), max_calls=1, carrier=carrier)
        try:
            _, ticket, asked = service.prepare_dial(wanted)
        finally:
            service.close()
        return shown_dial(wiring.carriers()[ticket.carrier], asked)

    print(json.dumps(asyncio.run(request()), indent=2, ensure_ascii=False))


async def _one(
    wanted: PlaceCall,
    agent: str,
    settings: Settings,
    server: object,
    detach: bool,
    carrier: str,
    tunnel: bool,
    screen: LiveScreen | None,
) -> CallResult | None:
    from patter_cli import wiring
    from patter_cli.cli.followed_calls import FollowedCalls, ServerBoard
    from patter_cli.cli.lab import is_lab, lab_server
    from patter_cli.cli.outgoing import Outgoing, RunningServer, new_service, see_through, started
    from patter_cli.observe.lines import TranscriptLines

    async def ring(outgoing: Outgoing) -> CallResult | None:
        call_id = await outgoing.dial(wanted)
        if detach:
            print(call_id)
            return None
        print(f"{call_id}: {wanted.agent} rings {wanted.to}", file=sys.stderr)
        return await see_through(outgoing, call_id)

    if isinstance(server, tuple) and detach:
        return await ring(RunningServer(server[0]))
    told = (TranscriptLines(),) if screen is None else (screen, TranscriptLines(screen.later))
    watch = screen.watch if screen is not None else None
    if isinstance(server, tuple):
        if watch is not None:
            watch(ServerBoard(server[0]))
        with FollowedCalls(wiring.kept_calls(settings), *told) as followed:
            return await ring(RunningServer(server[0], dialled=followed.want))
    if is_lab(carrier):
        async with lab_server(
            carrier, agent, settings, number=wanted.from_number, observers=told, max_calls=1, watch=watch
        ) as registration:
            return await ring(RunningServer(registration))
    service = new_service(agent, settings, observers=told, max_calls=1, carrier=carrier, tunnel=tunnel)
    if watch is not None:
        watch(service)
    async with started(service, tunnel=tunnel) as own:
        return await ring(own)


def _told(result: CallResult, as_json: bool) -> int:
    """Say what became of it. Returns the exit code."""
    if as_json:
        print(json.dumps(result.render(), ensure_ascii=False))
    else:
        by = f" by a {result.answered_by}" if result.answered_by in ("human", "machine", "fax") else ""
        print(f"{result.outcome}{by} after {result.duration:.1f} s: {result.reason}")
    return exit_code(result)


def exit_code(result: CallResult) -> int:
    """What the command leaves with: 0 somebody or a machine answered, 1 nobody did, 4 it failed."""
    if result.outcome in ("answered", "voicemail"):
        return 0
    return 4 if result.outcome in ("failed", "interrupted") else 1
