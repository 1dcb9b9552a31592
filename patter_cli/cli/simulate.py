"""patter simulate: hold a call with the agent on this machine, over the same wire as a real one."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import AgentName

if TYPE_CHECKING:
    from patter_cli.cli.rehearsal import Rehearsal

EXAMPLES = (
    'Examples: patter simulate receptionist · patter simulate receptionist --say "When are you open?" --json · '
    "patter simulate receptionist --wav question.wav --out reply.wav --max-ttfa-ms 900"
)


def simulate(
    agent: AgentName = None,
    say: Annotated[
        list[str] | None, typer.Option(help="What the caller says, in order; give it once for each turn.")
    ] = None,
    wav: Annotated[
        list[Path] | None, typer.Option(help="A recording of what the caller says; give it once for each turn.")
    ] = None,
    mic: Annotated[bool, typer.Option("--mic", help="Talk to the agent yourself.")] = False,
    text: Annotated[bool, typer.Option("--text", help="Type to the agent, no audio.")] = False,
    url: Annotated[
        str | None, typer.Option(help="Call a server that is already up, ws://…", envvar="PATTER_URL")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write what the agent was heard to say, as WAV.")] = None,
    stereo: Annotated[Path | None, typer.Option(help="Write the call as WAV: caller left, agent right.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the call as one JSON object.")] = False,
    max_ttfa_ms: Annotated[
        int | None, typer.Option(help="Exit with 1 if a caller had to wait longer for the agent's voice.", min=1)
    ] = None,
) -> None:
    """Hold a call with the agent on this machine: no account, no key.

    Without --say, --wav, --mic or --text you talk to it yourself if there is a terminal and a microphone; otherwise
    a second voice plays the agent's own demo conversation.
    """
    from patter_cli.errors import InputError
    from patter_cli.server.run import run

    chosen = [name for name, given in (("--say", say), ("--wav", wav), ("--mic", mic), ("--text", text)) if given]
    if len(chosen) > 1 and chosen != ["--say", "--wav"]:
        raise InputError(f"{' and '.join(chosen)} cannot go together", hint="leave all but one out")
    if url and agent:
        raise InputError("--url calls an agent that is served already", hint=f"leave {agent} out")
    if url and text:
        raise InputError("--text needs no server, and --url is one", hint="leave one of them out")
    for path in (out, stereo):
        if path is not None and not path.parent.is_dir():
            raise InputError(f"there is no folder {path.parent}", hint=f"mkdir -p {path.parent}")
    rehearsal = _rehearsal(agent, url)
    rehearsal.out, rehearsal.stereo, rehearsal.quiet = out, stereo, json
    rehearsal.max_ttfa_ms = max_ttfa_ms
    if text:
        if out or stereo or max_ttfa_ms:
            raise InputError(
                "--text has no audio to write or to time", hint="leave --out, --stereo and --max-ttfa-ms out"
            )
        passed = run(rehearsal.by_keyboard())
    elif mic or (not say and not wav and sys.stdin.isatty() and sys.stdout.isatty() and not json and _microphone()):
        passed = run(rehearsal.by_microphone())
    else:
        passed = run(rehearsal.by_script(say or [], wav or []))
    if json:
        rehearsal.print_json()
    if not passed:
        raise typer.Exit(1)


def _rehearsal(spec: str | None, url: str | None) -> Rehearsal:
    from patter_cli import wiring
    from patter_cli.cli.discovery import find_agents, load_agent
    from patter_cli.cli.rehearsal import Rehearsal
    from patter_cli.engine.hooks import Hooks
    from patter_cli.errors import InputError

    if url is not None:
        return Rehearsal(None, (), url=url)
    if spec is None:
        found = [each.name for each in find_agents(Path.cwd()) if each.error is None]
        if len(found) != 1:
            there = f"there are {', '.join(found)}" if found else "there is none in agents/"
            raise InputError(
                f"which agent? {there}", hint=f"patter simulate {found[0] if found else 'path/to/agent.py'}"
            )
        spec = found[0]
    loaded = load_agent(spec)
    return Rehearsal(wiring.ready_agent(loaded.name, loaded.agent, Hooks(**loaded.hooks)), loaded.demo)


def _microphone() -> bool:
    from patter_cli.simulate.microphone import has_microphone

    return has_microphone()
