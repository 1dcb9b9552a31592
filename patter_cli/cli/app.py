"""The `patter` command: its subcommands, found late so that --help costs little more than Typer."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated, Final

import typer

from patter_cli.cli.late_commands import late_group
from patter_cli.version import VERSION

LINES: Final = {
    "serve": "Answer calls with the agent until Ctrl-C; without AGENT, with every agent in agents/.",
    "call": "Ring NUMBER with the agent and stay until the call is over.",
    "simulate": "Hold a call with the agent on this machine: no account, no key.",
    "tunnel": "Open a public HTTPS and WSS address for a server on this machine, and keep it until Ctrl-C.",
    "dashboard": "Print a link that signs one browser in to the dashboard, once.",
    "doctor": "Look at everything that calls need, and say what is missing and how to mend it.",
    "init": (
        "Begin a project: an agent with its scenario and a test, patter.toml, .env.example and a workflow for GitHub."
    ),
    "explain": "Say what made the turns of a call slow, and the one setting that would change it.",
    "fuzz": (
        "Call an agent as nobody should: words, keys and noise at the wrong moment, bad frames, vendors that break."
    ),
    "trigger": "Send a webhook of a carrier to the server that runs here, and print what it answers.",
    "mcp": "Let an MCP client list and try agents, read and follow calls, ring somebody and step into a call.",
    "agents": "List, show, check and make the agents of this project.",
    "logs": "List, show, follow, add up and export the calls that are kept.",
    "record": "List, show, play, fetch, export and delete recordings; replay a call, or make a scenario of it.",
}
"""What each command's own help begins with. It stands here too, so that `patter --help` need not load them all."""

app = typer.Typer(
    name="patter",
    cls=late_group(LINES),
    help="AI agents that answer and make phone calls: write one file, talk to it here, put it on a number.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"patter {VERSION}")
        raise typer.Exit


@app.callback()
def patter(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """See Typer(help=…): this one only takes --version."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line. What goes wrong inside a command is told by it; before one has begun, it is our bug.

    arguments: in place of the program's own.
    """
    try:
        app(arguments)
    except Exception as error:  # noqa: BLE001 - where the program ends
        traceback.print_exception(error)
        print("error: this is a bug of ours\nhint: report it, with what you typed", file=sys.stderr)
        sys.exit(70)
