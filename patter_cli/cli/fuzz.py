"""patter fuzz: hostile callers, bad lines and broken vendors against one agent, on virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName
from patter_cli.settings import Settings

if TYPE_CHECKING:
    pass

EXAMPLES = (
    "Examples: patter fuzz receptionist · patter fuzz receptionist --minutes 60 --seed 7 · "
    "patter fuzz agents/orders.py --out tests/fuzz --json"
)


def fuzz(
    settings: Settings,
    agent: AgentName = None,
    seed: Annotated[int, typer.Option(help="Which calls: the same seed, the same calls.", min=0)] = 1,
    minutes: Annotated[
        float, typer.Option(help="How much talk, in minutes of calls; about a thousand take one.", min=0.1)
    ] = 300.0,
    out: Annotated[Path, typer.Option(help="The folder for what fails, a scenario each.")] = Path("fuzz"),
    json: Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object.")] = False,
) -> None:
    """Call an agent as nobody should: words, keys and noise at the wrong moment, bad frames, vendors that break.

    The calls have no sound and run on virtual time, but the engine, the agent's code and its tools are the real ones.
    What must hold for every call is checked after each, and what the agent's file says in expect(call). A call that
    fails is made as short as it can be and still fail, and written as a scenario: patter simulate --scenario holds it
    again. Exits with 1 if anything was found. docs/fuzz.md has what is checked.

    --json: {agent, seed, minutes, calls, findings: [{rule, what, at_ms, call, steps, found_steps, calls, scenario}]};
    calls of a finding is how many calls had it, scenario its file.
    """
    from patter_cli.cli.fuzzing import FuzzRun
    from patter_cli.text.printable import printable_json

    run = FuzzRun.of(agent, settings, out)
    run.quiet = json
    run.hold(seed, minutes)
    if json:
        print(printable_json(run.render()))
    if run.findings:
        raise typer.Exit(1)
