"""patter simulate: hold a call with the agent on this machine, over the same wire as a real one."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName, complete_scenario
from patter_cli.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from patter_cli.cli.callable_agents import Planned
    from patter_cli.cli.simulate_flags import SimulateFlags
    from patter_cli.cli.simulation import Simulation
    from patter_cli.simulate.written import Scenario

EXAMPLES = (
    'Examples: patter simulate receptionist · patter simulate receptionist --say "When are you open?" --json · '
    "patter simulate receptionist --wav question.wav --out reply.wav --max-ttfa-ms 900 · "
    "patter simulate --scenario agents/receptionist.toml --line mobile --stereo call.wav · "
    "patter simulate --scenario agents/ -n 3 --junit report.xml"
)


def simulate(
    settings: Settings,
    agent: AgentName = None,
    say: Annotated[
        list[str] | None, typer.Option(help="What the caller says, in order; give it once for each turn.")
    ] = None,
    wav: Annotated[
        list[Path] | None, typer.Option(help="A recording of what the caller says; give it once for each turn.")
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            help="A conversation from a file, with what must come of it: 1 if it does not. Or a folder, or a pattern.",
            metavar="PATH",
            autocompletion=complete_scenario,
        ),
    ] = None,
    repeat: Annotated[int, typer.Option("-n", "--repeat", help="Hold each call so many times.", min=1)] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(help="How many calls at once.", min=1, show_default="as many as the machine has cores"),
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Write what came of it as JUnit XML, for a CI system.")] = None,
    set: Annotated[
        list[str] | None,
        typer.Option(help="What {NAME} in a scenario stands for.", metavar="NAME=VALUE"),
    ] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Talk to the agent yourself.")] = False,
    microphone: Annotated[
        str, typer.Option(metavar="NAME", help="Which one, by a part of its name; patter doctor has them.")
    ] = "",
    loudspeaker: Annotated[str, typer.Option(metavar="NAME", help="The same of what you hear it on.")] = "",
    text: Annotated[
        bool, typer.Option("--text", help="Type to the agent, no audio; with a scenario: as quick as it goes.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Call a server that is already up, ws://…")] = DEFAULTS.url,
    out: Annotated[Path | None, typer.Option(help="Write what the agent was heard to say, as WAV.")] = None,
    stereo: Annotated[Path | None, typer.Option(help="Write the call as WAV: caller left, agent right.")] = None,
    line: Annotated[
        str | None, typer.Option(help="What the line is like: clean, mobile, speakerphone or bad.", metavar="QUALITY")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Which line of that kind: the same seed, the same line.", min=0)
    ] = None,
    carrier: Annotated[
        str, typer.Option(help="Over this carrier's own wire, which the lab plays on this machine: twilio or telnyx.")
    ] = "",
    local: Annotated[
        bool, typer.Option("--local", help="With the built-in ears and voice, whatever keys are set.")
    ] = False,
    human: Annotated[
        list[str] | None,
        typer.Option(
            help="Who can be reached by a transfer: a number and what they say, or busy, or 'no answer'.",
            metavar="NUMBER=WORDS",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the call as one JSON object.")] = False,
    max_ttfa_ms: Annotated[
        int | None, typer.Option(help="Exit with 1 if a caller had to wait longer for the agent's voice.", min=1)
    ] = None,
) -> None:
    """Hold a call with the agent on this machine: no account, no key.

    Without --say, --wav, --scenario, --mic or --text you talk to it yourself if there is a terminal and a microphone;
    otherwise a second voice plays the scenario beside the agent: agents/receptionist.toml. Without AGENT one of several
    is chosen at the terminal; in a folder without any a sample agent answers.

    Several scenarios, or one with -n, are held side by side; a line for each says what came of it, and below it what
    was wanted and what was heard. With --text they are played without sound, ten minutes in a second. Exits with 1 if
    one of them failed. After Ctrl-C, --junit and --json have what was held until then. docs/scenarios.md has what one
    may say.

    --json: {call_id, agent, outcome, reason, duration_ms, turns: [{caller, agent, interrupted, tools: [{name,
    arguments, result}], latency}], cost: {usd, known_usd, legs, prices}, caller_waited_ms, notes, expectations: [{step,
    expected, heard, passed, skipped, differs, line}]}; usd is null where a leg's price is unknown. With --url the first
    seven are {url, agent: [{at_ms, text}]}, for what happens inside somebody else's agent is not known. Of several
    calls: {scenarios: [{scenario, agent, runs, passed, failed, skipped, waited_ms: {p50, min, max}, duration_ms, calls:
    [{passed, error: {code, message, hint}, and the above}]}], passed, failed, skipped, took_s}.
    """
    from patter_cli.cli.simulate_flags import SimulateFlags

    flags = SimulateFlags(
        agent=agent,
        say=say or (),
        wav=wav or (),
        scenario=scenario or (),
        repeat=repeat,
        jobs=jobs,
        junit=junit,
        variables=set or (),
        mic=mic,
        microphone=microphone,
        loudspeaker=loudspeaker,
        text=text,
        url=url,
        out=out,
        stereo=stereo,
        line=line,
        seed=seed,
        carrier=carrier,
        local=local,
        human=human or (),
        json=json,
        max_ttfa_ms=max_ttfa_ms,
    )
    flags.check()
    planned = _planned(flags, settings)
    if flags.several:
        _hold_several(planned, flags, settings)
    else:
        _hold_one(planned[0], flags, settings)


def _planned(flags: SimulateFlags, settings: Settings) -> list[Planned]:
    """Each scenario with the agent that it calls; without --scenario, the caller's words or what lies beside it."""
    from patter_cli import wiring
    from patter_cli.cli.callable_agents import CallableAgents, only_agent, reachable, typed_scenario
    from patter_cli.cli.scenario_files import scenario_files, written_variables
    from patter_cli.simulate.scenario import load_scenario, written_human

    humans = [written_human(each) for each in flags.human]
    variables = written_variables(flags.variables)
    words = typed_scenario(flags.say, flags.wav)
    agents = CallableAgents(settings, local=flags.local, text=flags.text)
    read = [load_scenario(path, variables) for path in scenario_files(flags.scenario)]
    planned: list[tuple[str | None, Scenario]] = []
    if flags.url is not None:
        planned = [(None, each) for each in read or [words]]
    elif read:
        planned = [(flags.agent or each.agent or only_agent(), each) for each in read]
    else:
        spec = flags.agent or only_agent()
        beside = agents.scenario_beside(spec, variables)
        if words.steps:  # with the line and the humans of the scenario
            beside = replace(words, humans=beside.humans, quality=beside.quality, seed=beside.seed)
        planned = [(spec, beside)]
    if settings.log_dir is not None:
        wiring.check_folder(settings.log_dir)
    return [
        agents.planned(
            spec,
            replace(
                each,
                quality=flags.line or each.quality,
                seed=each.seed if flags.seed is None else flags.seed,
                humans=reachable(each.humans, humans),
            ),
        )
        for spec, each in planned
    ]


def _hold_one(plan: Planned, flags: SimulateFlags, settings: Settings) -> None:
    """One call, of which all is told."""
    from patter_cli import wiring
    from patter_cli.cli.screen import on_terminal, screen_for
    from patter_cli.cli.simulation import Simulation
    from patter_cli.server.run import run
    from patter_cli.testbench.recordings import Recordings

    simulation = Simulation(plan.agent, plan.scenario, url=flags.url or "", store=wiring.kept_calls(settings))
    simulation.model = plan.model
    simulation.recordings = Recordings(out=flags.out, stereo=flags.stereo, redaction=settings.redact)
    simulation.quiet, simulation.max_ttfa_ms, simulation.carrier = flags.json, flags.max_ttfa_ms, flags.carrier
    if flags.virtual or plan.scenario.virtual is not None:
        with on_terminal(None), redirect_stdout(sys.stderr) if flags.json else nullcontext():
            simulation.by_text()
        _end_one(simulation, flags)
        return
    if flags.text:
        held = simulation.by_keyboard()
    elif flags.by_person or (not flags.ways and not flags.json and _person_here()):
        held = simulation.by_microphone(flags.microphone, flags.loudspeaker)
    else:
        held = simulation.by_script()
    if not (flags.json or flags.text or flags.url):
        simulation.screen = screen_for(f"patter simulate {simulation.agent_name}", settings)
    # What the agent's code prints is no data.
    with on_terminal(simulation.screen), redirect_stdout(sys.stderr) if flags.json else nullcontext():
        run(held)
    _end_one(simulation, flags)


def _end_one(simulation: Simulation, flags: SimulateFlags) -> None:
    """What comes after the call: its object, and the exit code."""
    from patter_cli.cli.told import tell
    from patter_cli.errors import StoreError

    if flags.json:
        simulation.print_json()
    failure = simulation.held.own_failure()
    if failure is not None and flags.json:  # the object is on stdout already, and is the only one
        tell(failure, as_json=False)
        raise typer.Exit(failure.exit_code)
    if failure is not None:
        raise failure
    if not simulation.held.kept:
        tell(
            StoreError(
                "not all of the call could be written down",
                hint="make room, or name a folder that has some: export PATTER_LOG_DIR=calls",
            ),
            as_json=False,
        )
    if simulation.held.failed or not simulation.held.kept:
        raise typer.Exit(1)


def _hold_several(planned: list[Planned], flags: SimulateFlags, settings: Settings) -> None:
    """Several calls, of which it is told what came of them."""
    from patter_cli import wiring
    from patter_cli.cli.several import SeveralCalls
    from patter_cli.cli.simulation import lab_serves
    from patter_cli.server.run import run
    from patter_cli.testbench.spoken import served_here
    from patter_cli.testbench.trials import jobs_here

    calls = SeveralCalls(
        planned=planned,
        times=flags.repeat,
        jobs=jobs_here(flags.jobs),
        url=flags.url or "",
        serve=lab_serves(flags.carrier) if flags.carrier else served_here,
        store=wiring.kept_calls(settings),
        max_ttfa_ms=flags.max_ttfa_ms,
        quiet=flags.json,
    )
    stopped = False
    try:
        with redirect_stdout(sys.stderr):  # what the agents' code prints is no data
            if flags.virtual or all(each.scenario.virtual is not None for each in planned):
                calls.hold_virtually()
            else:
                run(calls.hold())
    except KeyboardInterrupt:
        stopped = True
        calls.stopped()
    if flags.junit is not None:
        calls.write_junit(flags.junit)
    if flags.json:
        calls.print_json()
    else:
        calls.print_lines()
    if stopped:
        raise typer.Exit(130)
    if not calls.passed:
        raise typer.Exit(1)


def _person_here() -> bool:
    """Whether somebody could talk to the agent themselves."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    from patter_cli.simulate.microphone import has_microphone

    return has_microphone()
