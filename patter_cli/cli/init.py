"""patter init: a folder of one's own, with a first agent in it."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from patter_cli.cli.agents import complete_template

EXAMPLES = "Examples: patter init · patter init phone · patter init phone --template receptionist --agent front_desk"


def init(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Made if it is not there.")] = Path(),
    agent: Annotated[
        str, typer.Option(metavar="NAME", help="What the agent is called.", show_default="as its template")
    ] = "",
    template: Annotated[
        str | None,
        typer.Option(
            help="What it starts from: starter, or one of the sample agents.",
            autocompletion=complete_template,
            show_default="asked on a terminal, else starter",
        ),
    ] = None,
) -> None:
    """Begin a project: an agent with its scenario and a test, patter.toml, .env.example and a workflow for GitHub.

    Nothing that exists is overwritten. On a terminal without --template you are asked what the agent starts from.
    """
    from patter_cli.cli.choosing import somebody_here
    from patter_cli.cli.templates import STARTER, new_agent

    if template is None:
        template = _asked() if somebody_here() else STARTER
    name = agent or ("front_desk" if template == STARTER else template)
    for path in new_agent(name, template, folder):
        print(folder / path)
    steps = [f"cd {folder}"] if folder != Path() else []
    steps += [f"patter simulate {name}", f"patter serve {name} --reload"]
    steps += ["python -m pytest"] if find_spec("pytest") else ["pip install pytest", "python -m pytest"]
    print("Next:\n" + "\n".join(f"  {each}" for each in steps), file=sys.stderr)


def _asked() -> str:
    """The template that somebody chooses."""
    from patter_cli.cli.choosing import choose
    from patter_cli.cli.discovery import summary_of
    from patter_cli.cli.templates import STARTER, template_files

    there = template_files()
    options = {STARTER: "answers the phone, says when it is open"}
    options |= {name: summary_of(path) for name, path in there.items() if name != STARTER}
    return choose(options, otherwise=f"patter init --template {STARTER}")
