"""patter serve: answer calls with agents until Ctrl-C."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName
from patter_cli.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from patter_cli.cli.served import ServedAgents
    from patter_cli.observe.bus import Observer
    from patter_cli.tui.live import LiveScreen

EXAMPLES = (
    "Examples: patter serve receptionist · patter serve receptionist --tunnel --number +15550100001 · "
    "patter serve agents/receptionist.py --port 9000"
)


def serve(
    settings: Settings,
    agent: AgentName = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = DEFAULTS.host,
    port: Annotated[int, typer.Option(help="Port to listen on; 0: any that is free.")] = DEFAULTS.port,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="HOST", help="Where carriers reach this machine.", show_default=False)
    ] = None,
    tunnel: Annotated[bool, typer.Option("--tunnel", help="Be reached through a Cloudflare tunnel.")] = False,
    number: Annotated[
        str | None,
        typer.Option(metavar="NUMBER", help="Point this number here; it is given back on exit.", show_default=False),
    ] = None,
    carrier: Annotated[
        str,
        typer.Option(metavar="NAME", help="Whose calls, such as asterisk; without it, of all whose keys are set."),
    ] = "",
    max_calls: Annotated[
        int | None, typer.Option(help="Calls at the same time; without it as many as this machine carries.", min=1)
    ] = DEFAULTS.max_calls,
    recording: Annotated[
        bool, typer.Option("--recording", help="Have the carrier record both sides of every call.")
    ] = DEFAULTS.recording,
    record: Annotated[
        bool, typer.Option("--record", help="Record both sides of every call here, beside its journal.")
    ] = DEFAULTS.record,
    dashboard: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="Show calls to whoever opens the link.")
    ] = DEFAULTS.dashboard,
    dashboard_token: Annotated[
        str, typer.Option(metavar="TOKEN", help="What programs and people sign in with.", show_default="a new one")
    ] = DEFAULTS.dashboard_token,
    expose_dashboard: Annotated[
        bool, typer.Option("--expose-dashboard", help="Let a tunnel bring people to the dashboard, too.")
    ] = DEFAULTS.expose_dashboard,
    reload: Annotated[
        bool, typer.Option("--reload", help="Take a changed agent file at once, also for calls that go on.")
    ] = False,
    drain_timeout: Annotated[
        float, typer.Option(help="Seconds that live calls get to end on Ctrl-C.", min=0)
    ] = DEFAULTS.drain_timeout_s,
    json_: Annotated[
        bool, typer.Option("--json", help="Print what happens on calls as JSON, a line each, as patter logs tail does.")
    ] = False,
) -> None:
    """Answer calls with the agent until Ctrl-C; without AGENT, with every agent in agents/.

    Which of them answers which number is said in patter.toml: [numbers] and below it "+14155550123" = "receptionist".
    A call to any other number is declined. With AGENT, that one answers every number.

    With --tunnel a carrier reaches this machine, and the numbers (--number, or PHONE_NUMBER and [numbers]) are pointed
    here until it stops. Without a carrier the server is on this machine only, and prints the ws:// address that any
    Media Streams client here may call.

    The dashboard, its API and /metrics are on the same port, for this machine alone and for whoever has signed in: the
    link that is printed does that, once. A program sends the token, PATTER_DASHBOARD_TOKEN, as Authorization: Bearer.

    With --reload an agent file that changes, or a module of the project that it imports, is read again: new calls have
    the new agent, live ones its prompt, tools, guardrails and functions from their next turn on. One that cannot be
    used is told, and changes nothing.

    With --recording or --record whoever is on the line is told so first. What --record wrote: patter record list.

    On a terminal the calls are shown on a screen of their own, ? tells its keys; elsewhere they are printed as lines.
    """
    from patter_cli import wiring
    from patter_cli.cli.screen import on_terminal, screen_for
    from patter_cli.cli.served import load_agents
    from patter_cli.errors import InputError
    from patter_cli.observe.happenings import HappeningLines
    from patter_cli.observe.lines import TranscriptLines
    from patter_cli.server.run import run

    if host not in ("127.0.0.1", "::1", "localhost"):
        raise InputError(
            f"without a carrier nothing authenticates callers, so {host} is refused",
            hint="leave --host out: the server is then on this machine only",
        )
    if number is not None and not number.strip():
        raise InputError("--number is empty", hint="write it as +14155550123, or leave it out")
    if settings.log_dir is not None:
        wiring.check_folder(settings.log_dir)
    served = load_agents(agent, settings)
    title = f"patter serve {agent or ''}".rstrip()
    plain = TranscriptLines(named=True)
    screen = None if json_ else screen_for(title, settings, otherwise=plain)
    with on_terminal(screen):
        lines = HappeningLines(sys.stdout) if json_ else plain
        # What the agents' code prints is no data.
        with redirect_stdout(sys.stderr) if json_ else nullcontext():
            kept = run(
                _serve(
                    served, settings, screen, lines, tunnel=tunnel, number=number or "", carrier=carrier, reload=reload
                )
            )
        if screen is not None and (told := screen.summary()):
            print(told, file=sys.stderr)
    if not kept:
        raise typer.Exit(1)


async def _serve(
    served: ServedAgents,
    settings: Settings,
    screen: LiveScreen | None,
    lines: Observer,
    *,
    tunnel: bool,
    number: str,
    carrier: str,
    reload: bool,
) -> bool:
    """Whether all calls could be kept."""
    import asyncio

    from patter_cli import wiring
    from patter_cli.cli.reaching import way_in
    from patter_cli.cli.reloading import reload_changed
    from patter_cli.server.registration import default_run_folder
    from patter_cli.server.run import run_until_signal
    from patter_cli.server.service import ServiceSettings

    carriers = wiring.carriers(carrier)
    way = way_in(settings, carriers, tunnel=tunnel, number=number, routed=tuple(served.numbers))
    store = wiring.kept_calls(settings)
    site = wiring.site(settings, store) if settings.dashboard else None
    service = wiring.service(
        served.agents,
        ServiceSettings(
            host=settings.host,
            port=settings.port,
            max_calls=settings.max_calls,
            drain_timeout_s=settings.drain_timeout_s,
            secret=wiring.signing_secret(settings, carriers),
            run_folder=default_run_folder(),
            public_host="" if tunnel else settings.public_host,
            recording=settings.recording,
            record=settings.record,
            redaction=settings.redact,
            numbers=served.numbers,
            rules=wiring.dial_rules(settings),
            callers=wiring.caller_rules(settings),
            max_spend_per_day=settings.max_spend_per_day,
            spent_folder=wiring.default_folder() / "spent",
        ),
        store=store,
        observers=(lines if screen is None else screen,),
        carried_by=carriers,
        site=site,
        notifier=wiring.notifier(settings, store=store),
        telemetry=wiring.telemetry(settings),
    )
    if screen is not None:
        screen.watch(service)
    await service.warm()

    def ready() -> None:
        public = service.addresses.public_host
        for name, agent in served.agents.items():
            print(f"{name} answers{'' if public else f' at {service.media_url(name)}'}", file=sys.stderr)
            for each in served.numbers_of(name):
                print(f"  and calls to {each}", file=sys.stderr)
            for note in agent.notes.values():
                print(f"  {note}", file=sys.stderr)
            if settings.max_calls is None:
                print(f"  up to {service.carries(name)} calls at once, as measured", file=sys.stderr)
        for name, address in service.direct_addresses.items():
            print(f"{name} brings its calls to {address}", file=sys.stderr)
        if not public:  # with a public host the line that asks for no secret is closed
            print(f"Call it: patter simulate --url {service.media_url(next(iter(served.agents)))}", file=sys.stderr)
        if site is not None:
            print(f"Dashboard, signs one browser in: {service.link()}", file=sys.stderr)
        if way.carriers and (said := served.unreached()):
            print(f"warning: {said}", file=sys.stderr)
        print("Ctrl-C lets live calls end, twice cuts them.", file=sys.stderr, flush=True)

    def notice(text: str) -> None:
        if screen is not None:
            screen.notice = text

    watching = None
    if reload:
        watching = asyncio.create_task(
            reload_changed(served.specs, settings, service, since_ns=served.since_ns, notice=notice)
        )
    try:
        await run_until_signal(way.lead_to(service), on_ready=ready, asked=service.asked_to_stop)
    finally:
        if watching is not None:
            watching.cancel()
        service.close()
    return not service.losses
