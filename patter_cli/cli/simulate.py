"""patter simulate: hold a call with the agent on this machine, over the same wire as a real one."""

from __future__ import annotations

import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.agent import PIPELINE
from patter_cli.cli.general import AgentName, warn
from patter_cli.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from patter_cli.cli.simulation import Simulation
    from patter_cli.simulate.scenario import Scenario

EXAMPLES = (
    'Examples: patter simulate receptionist · patter simulate receptionist --say "When are you open?" --json · '
    "patter simulate receptionist --wav question.wav --out reply.wav --max-ttfa-ms 900 · "
    "patter simulate --scenario agents/receptionist.toml --line mobile --stereo call.wav"
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
        Path | None, typer.Option(help="A conversation from a file, with what must come of it: 1 if it does not.")
    ] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Talk to the agent yourself.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Type to the agent, no audio.")] = False,
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
    otherwise a second voice plays the scenario beside the agent: agents/receptionist.toml.

    --json: {call_id, agent, outcome, reason, duration_ms, turns: [{caller, agent, interrupted, tools: [{name,
    arguments, result}], latency}], cost: {usd, known_usd, legs, prices}, caller_waited_ms, notes, expectations: [{step,
    expected, heard, passed}]}; usd is null where a leg's price is unknown. With --url the first seven are {url, agent:
    [{at_ms, text}]}, for what happens inside somebody else's agent is not known.
    """
    from patter_cli.audio.wav import check_writable
    from patter_cli.cli.screen import on_terminal, screen_for
    from patter_cli.errors import InputError
    from patter_cli.server.run import run
    from patter_cli.simulate.line import QUALITIES
    from patter_cli.simulate.scenario import written_human

    ways = (("--say", say), ("--wav", wav), ("--scenario", scenario), ("--mic", mic), ("--text", text))
    chosen = [name for name, given in ways if given]
    if len(chosen) > 1 and chosen != ["--say", "--wav"]:
        raise InputError(f"{' and '.join(chosen)} cannot go together", hint="leave all but one out")
    if url and agent:
        raise InputError("--url calls an agent that is served already", hint=f"leave {agent} out")
    if url and text:
        raise InputError("--text needs no server, and --url is one", hint="leave one of them out")
    if carrier:
        from patter_cli.cli.lab import WIRES, check_name

        check_name(carrier, WIRES)
        if url or text:
            raise InputError("--carrier is for a call with sound to an agent of one's own", hint="leave it out")
    if out is not None and out == stereo:
        raise InputError(f"--out and --stereo cannot both be {out}", hint="name two files, or leave one out")
    if seed is not None and line is None and scenario is None:
        raise InputError(f"--seed {seed} chooses a line of one kind, and no kind is named", hint="add --line mobile")
    for path in (out, stereo):
        if path is not None and path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder", hint=f"name a file: {path / 'call.wav'}")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"cannot write {path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
        if path is not None:
            check_writable(path)
    if line is not None and line not in QUALITIES:
        near = get_close_matches(line, QUALITIES, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"there is no line called {line!r}", hint=f"{meant}known: {', '.join(QUALITIES)}")
    humans = [written_human(each) for each in human or []]
    if local and url:
        raise InputError("--local is for an agent of one's own, and --url is another's", hint="leave one of them out")
    rehearsal = _rehearsal(agent, url, scenario, _typed(say or [], wav or []), settings, local=local, text=text)
    rehearsal.out, rehearsal.stereo, rehearsal.quiet = out, stereo, json
    rehearsal.max_ttfa_ms, rehearsal.carrier = max_ttfa_ms, carrier
    rehearsal.redaction = settings.redact
    rehearsal.choose_line(line, seed)
    rehearsal.humans_are(humans)
    if text:
        if out or stereo or max_ttfa_ms or line or seed is not None:
            raise InputError(
                "--text has no audio to write, to time or to spoil",
                hint="leave --out, --stereo, --max-ttfa-ms, --line and --seed out",
            )
        held = rehearsal.by_keyboard()
    elif mic or (not chosen and sys.stdin.isatty() and sys.stdout.isatty() and not json and _microphone()):
        held = rehearsal.by_microphone()
    else:
        held = rehearsal.by_script()
    if not (json or text or url):
        title = f"patter simulate {rehearsal.agent_name}"
        rehearsal.screen = screen_for(title, settings)
    # What the agent's code prints is no data.
    with on_terminal(rehearsal.screen), redirect_stdout(sys.stderr) if json else nullcontext():
        passed = run(held)
    if json:
        rehearsal.print_json()
    rehearsal.raise_failure()
    if not passed or not rehearsal.kept:
        raise typer.Exit(1)


def _rehearsal(
    spec: str | None,
    url: str | None,
    path: Path | None,
    words: Scenario,
    settings: Settings,
    *,
    local: bool,
    text: bool,
) -> Simulation:
    """The call to hold: words, if there are any, else the scenario that was named or lies beside the agent."""
    from patter_cli import wiring
    from patter_cli.cli.discovery import load_agent
    from patter_cli.cli.simulation import Simulation
    from patter_cli.engine.hooks import Hooks
    from patter_cli.simulate.scenario import Scenario, load_scenario

    scenario = load_scenario(path) if path is not None else None
    if url is not None:
        return Simulation(None, scenario or words, url=url)
    if spec is None:
        spec = (scenario.agent if scenario is not None else "") or _only_agent()
    loaded = load_agent(spec)
    warn(loaded.warnings)
    if scenario is None:
        beside = loaded.path.with_suffix(".toml")
        scenario = load_scenario(beside) if beside.is_file() else Scenario()
    if words.steps:  # with the line and the humans of the scenario
        scenario = replace(words, humans=scenario.humans, quality=scenario.quality, seed=scenario.seed)
    if settings.log_dir is not None:
        wiring.check_folder(settings.log_dir)
    speaking = loaded.agent
    if local:
        ears, voice = wiring.built_in_speech()
        speaking = replace(speaking, engine=None, provider="", stt=ears, tts=voice)
    elif text and speaking.engine is None:
        speaking = replace(speaking, provider=PIPELINE)  # what is typed is no voice, and an engine wants one
    ready = wiring.ready_agent(loaded.name, speaking, Hooks(**loaded.hooks), settings)
    return Simulation(ready, scenario, store=wiring.kept_calls(settings))


def _only_agent() -> str:
    from patter_cli.cli.discovery import find_agents
    from patter_cli.cli.templates import DEMO, template, template_files
    from patter_cli.errors import InputError

    files = find_agents(Path.cwd())
    found = [each.name for each in files if each.error is None]
    if not found and not Path("agents").is_dir() and DEMO in template_files():
        print(
            f"there is no agent here yet, so the demo agent {DEMO} answers; one of your own: patter agents new NAME",
            file=sys.stderr,
        )
        return str(template(DEMO))
    if not found and files:
        return files[0].name  # loading it says what is wrong with it
    if not found:
        raise InputError("there is no agent in agents/", hint="make one: patter agents new NAME")
    if len(found) > 1:
        raise InputError(f"which agent? there are {', '.join(found)}", hint=f"patter simulate {found[0]}")
    return found[0]


def _typed(say: list[str], wav: list[Path]) -> Scenario:
    """The caller's words from the command line."""
    from patter_cli.simulate.scenario import Scenario, ScenarioStep
    from patter_cli.simulate.script import play_wav, say_texts

    steps = [*say_texts(say), *(play_wav(each) for each in wav)]
    return Scenario(steps=tuple(ScenarioStep(does=each) for each in steps))


def _microphone() -> bool:
    from patter_cli.simulate.microphone import has_microphone

    return has_microphone()
