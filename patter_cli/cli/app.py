"""The `patter` command: its subcommands, found late so that --help costs little more than Typer."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from patter_cli.cli import agents, general, serve, simulate
from patter_cli.errors import PatterError
from patter_cli.version import VERSION

app = typer.Typer(
    name="patter",
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
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = origins = dict.fromkeys(os.environ, "environment")
    try:
        general.load_settings(context)
    except PatterError as error:
        general.show_error(error)
        raise typer.Exit(error.exit_code) from None
    origins |= dict.fromkeys(os.environ.keys() - origins.keys(), ".env")


app.command("serve", epilog=serve.EXAMPLES)(general.command(serve.serve))
app.command("simulate", epilog=simulate.EXAMPLES)(general.command(simulate.simulate))
app.add_typer(agents.app, name="agents")


def main() -> None:
    """Run the command line. Anything unforeseen is our bug: exit 70, and how to report it."""
    try:
        app()
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        print(f"error: this is a bug of ours: {error!r}", file=sys.stderr)
        print("hint: run it again with --debug and report what it prints", file=sys.stderr)
        sys.exit(70)
