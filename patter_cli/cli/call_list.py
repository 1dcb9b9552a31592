"""`patter call --csv`: everybody in a list is rung; before the first ring it is said what that takes."""

from __future__ import annotations

import datetime
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from patter_cli import wiring
from patter_cli.cli.campaign import Campaign, Pace
from patter_cli.cli.followed_calls import FollowedCalls, ServerBoard
from patter_cli.cli.forecast import guess_call
from patter_cli.cli.lab import LABS, is_lab, lab_server
from patter_cli.cli.list_told import ListJson, ListLines, ListOnScreen
from patter_cli.cli.outgoing import RunningServer, new_service, started
from patter_cli.cli.people import read_people
from patter_cli.cli.screen import on_terminal, screen_for
from patter_cli.contracts.store import CallStore
from patter_cli.errors import InputError
from patter_cli.server.control_messages import PlaceCall
from patter_cli.server.registration import Registration
from patter_cli.server.run import run
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from patter_cli.tui.live import LiveScreen

LONGEST_UNASKED = 10
"""A list that rings more people than this wants a yes."""


def ring_list(
    path: Path,
    wanted: PlaceCall,
    agent: str,
    pace: Pace,
    settings: Settings,
    server: tuple[Registration, str] | None,
    carrier: str,
    *,
    tunnel: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Ring everybody of a list who is left. wanted: the call, whose number and variables each row changes. server: the
    one that makes the calls; None: one of this command's. Returns the exit code. Raises PatterError."""
    screen = None if as_json or dry_run else screen_for(f"patter call --csv {path.name}", settings)
    lab, rules = is_lab(carrier), wiring.dial_rules(settings)
    carriers = server[0].carriers if server is not None else list(wiring.carriers())
    real = next((each for each in carriers if each != wiring.built_in_line().name), "")
    real = LABS[carrier] if lab else carrier or real
    store = wiring.kept_calls(settings)
    told = ListLines(bar=sys.stderr.isatty())
    work = Campaign(
        read_people(path),
        wanted,
        pace,
        rules=replace(rules, quota=None) if lab else rules,
        guess=guess_call(store, wanted.agent, real, datetime.date.today()),
        store=store,
        told=ListJson(sys.stdout) if as_json else told if screen is None else ListOnScreen(screen),
    )
    forecast = work.forecast()
    print(forecast.render(), file=sys.stderr)
    if dry_run:
        return 0
    if len(forecast.to_ring) > LONGEST_UNASKED and not yes:
        if not sys.stdin.isatty():
            raise InputError(f"that rings {len(forecast.to_ring)} people", hint="--yes rings them")
        typer.confirm("Ring them?", abort=True, err=True)
    work.announce(forecast)
    # What the agent's code prints is no data.
    with on_terminal(screen), redirect_stdout(sys.stderr) if as_json else nullcontext():
        code = run(_ring(work, wanted, agent, pace, settings, server, carrier, tunnel, store, screen))
        if screen is not None and (summary := screen.summary()):
            print(summary, file=sys.stderr)
    return code


async def _ring(
    work: Campaign,
    wanted: PlaceCall,
    agent: str,
    pace: Pace,
    settings: Settings,
    server: tuple[Registration, str] | None,
    carrier: str,
    tunnel: bool,
    store: CallStore,
    screen: LiveScreen | None,
) -> int:
    if server is not None:
        if screen is None:
            return await work.run(RunningServer(server[0]))
        screen.watch(ServerBoard(server[0]))
        with FollowedCalls(store, screen) as followed:
            return await work.run(RunningServer(server[0], dialled=followed.want))
    seen = () if screen is None else (screen,)
    watch = None if screen is None else screen.watch
    most = pace.concurrency
    if is_lab(carrier):
        async with lab_server(
            carrier, agent, settings, number=wanted.from_number, observers=seen, max_calls=most, watch=watch
        ) as registration:
            return await work.run(RunningServer(registration))
    service = new_service(agent, settings, observers=seen, max_calls=most, carrier=carrier, tunnel=tunnel)
    if watch is not None:
        watch(service)
    async with started(service, tunnel=tunnel) as own:
        return await work.run(own)
