"""patter agents: which there are, what a model is told as one of them, and what would keep one from working."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import command, complete_agent
from patter_cli.settings import Settings
from patter_cli.text.printable import printable, printable_json, printable_lines

if TYPE_CHECKING:
    from patter_cli.cli.agent_report import AgentReport, Key, KnownTool, Stage

app = typer.Typer(
    help="List, show, check and make the agents of this project.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def complete_template(incomplete: str) -> list[str]:
    """The names of templates that begin like this, for the shell."""
    from patter_cli.cli.templates import template_files

    return [each for each in template_files() if each.startswith(incomplete)]


Named = Annotated[
    str,
    typer.Argument(metavar="AGENT", help="A name in agents/, a path, or path.py:name.", autocompletion=complete_agent),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


def list_agents(json: AsJson = False) -> None:
    """List the agents in agents/, without running them.

    --json: an array of {name, path, summary, variables, error}; error is null, or why the file cannot be read.
    """
    from patter_cli.cli.discovery import find_agents

    found = find_agents(Path.cwd())
    if json:
        print(
            printable_json(
                [
                    {
                        "name": each.name,
                        "path": str(each.path),
                        "summary": each.summary,
                        "variables": list(each.variables),
                        "error": each.error,
                    }
                    for each in found
                ]
            )
        )
        return
    width = max((len(each.name) for each in found), default=0)
    for each in found:
        said = f"cannot be read: {each.error}" if each.error else each.summary
        print(printable(f"{each.name:<{width}}  {said}".rstrip()))
    if not found:
        print("there is no agent in agents/", file=sys.stderr)


def show(settings: Settings, agent: Named, json: AsJson = False) -> None:
    """Show what the agent's model is told, its tools, and where its providers get their keys.

    The prompt is exact: phone manners included, variables filled in. Keys show as ****1234. What would keep the agent
    from holding a call is told on stderr. --json: {name, path, language, prompt, greeting, variables, pronounce,
    stages, callbacks, guardrails, transfer_numbers, tools, problems}.
    """
    from patter_cli.cli.agent_report import portray
    from patter_cli.cli.discovery import load_agent

    portrait = portray(load_agent(agent), settings)
    if json:
        print(printable_json(asdict(portrait)))
    else:
        print(printable_lines("\n".join(_lines(portrait))))
        for problem in portrait.problems:
            kind = "error" if problem.exit_code else "warning"
            print(f"{kind}: {printable_lines(problem.message)}", file=sys.stderr)
            if problem.hint:
                print(f"hint: {printable_lines(problem.hint)}", file=sys.stderr)


def check(settings: Settings, agent: Named, json: AsJson = False) -> None:
    """Check that the agent can hold a call: it loads, its tools have schemas, nothing is left open.

    Exit code 0, also with warnings; 2 or 3 with errors. --json: {agent, ok, problems: [{code, message, hint,
    exit_code}]}; exit_code 0 marks a warning.
    """
    from patter_cli.cli.agent_report import portray, problem_of
    from patter_cli.cli.discovery import load_agent
    from patter_cli.errors import PatterError

    try:
        problems = portray(load_agent(agent), settings).problems
    except PatterError as error:
        problems = (problem_of(error),)
    worst = next((each.exit_code for each in problems if each.exit_code), 0)
    if json:
        print(printable_json({"agent": agent, "ok": not worst, "problems": [asdict(each) for each in problems]}))
    else:
        for each in problems:
            print(f"{'error' if each.exit_code else 'warning'}: {printable_lines(each.message)}")
            if each.hint:
                print(f"hint: {printable_lines(each.hint)}")
        if not worst:
            print(f"{agent}: ok" + (f", but {len(problems)} to look at" if problems else ""))
    if worst:
        raise typer.Exit(worst)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is called: letters, digits and _.")],
    template: Annotated[
        str,
        typer.Option(
            help="What it starts from: starter, or one of the sample agents.", autocompletion=complete_template
        ),
    ] = "starter",
) -> None:
    """Write a new agent into agents/, from a template, with its scenario and a test.

    In a folder without patter.toml it comes with what a project has around its agents: patter.toml, .env.example,
    .gitignore and a workflow for GitHub that holds every scenario. Nothing that exists is overwritten.
    """
    from patter_cli.cli.templates import new_agent

    for path in new_agent(name, template, Path()):
        print(path)
    print(f"Hear it: patter simulate {name}\nTest it: python -m pytest", file=sys.stderr)


def _lines(portrait: AgentReport) -> Iterator[str]:
    """The portrait for a reader; the prompt comes last, for it is long."""
    yield f"{portrait.name}  {portrait.path}"
    yield f"language: {portrait.language}"
    for stage in portrait.stages:
        yield _stage(stage)
    if "on_message" in portrait.callbacks:
        yield "llm: none, on_message answers"
    if portrait.pronounce:
        yield f"pronounce: {', '.join(f'{written!r} as {said!r}' for written, said in portrait.pronounce.items())}"
    yield f"callbacks: {', '.join(portrait.callbacks) or 'none'}"
    for rule in portrait.guardrails:
        terms = [*(repr(term) for term in rule.blocked_terms), *(["its own check"] if rule.has_check else [])]
        yield f"guardrail {rule.name}: {', '.join(terms)} becomes {rule.replacement!r}"
    yield f"transfer to: {', '.join(portrait.transfer_numbers) or 'nobody'}"
    yield f"greeting: {portrait.greeting or 'none: the caller speaks first'}"
    for tool in portrait.tools:
        yield from ("", *_tool(tool))
    yield from ("", "--- the prompt " + "-" * 65, portrait.prompt)


def _stage(stage: Stage) -> str:
    settings = "".join(f", {name} {value}" for name, value in stage.settings.items())
    return f"{stage.stage}: {stage.provider}{'' if stage.chosen else ' (chosen for you)'}{settings}; {_key(stage.key)}"


def _key(key: Key) -> str:
    match key.origin:
        case "none":
            return "needs no key"
        case "argument":
            return f"key {key.masked} given as an argument"
        case "not set":
            return f"key missing: {key.variable} is not set"
        case origin:
            return f"key {key.masked} from {key.variable}, set in the {origin}"


def _tool(tool: KnownTool) -> Iterator[str]:
    timeout = f", at most {tool.timeout_s:g} s" if tool.timeout_s is not None else ""
    yield f"--- tool {tool.name}: {tool.runs} {tool.url}".rstrip() + timeout
    if tool.key is not None:
        yield f"signed; {_key(tool.key)}"
    yield tool.description
    yield printable_json(tool.parameters)


app.command("new", epilog="Examples: patter agents new front_desk · patter agents new desk --template receptionist")(
    command(new)
)
app.command("list", epilog="Examples: patter agents list · patter agents list --json")(command(list_agents))
app.command(
    "show", epilog="Examples: patter agents show receptionist · patter agents show receptionist --json | jq -r .prompt"
)(command(show))
app.command(
    "check", epilog="Examples: patter agents check receptionist · patter agents check agents/receptionist.py --json"
)(command(check))
