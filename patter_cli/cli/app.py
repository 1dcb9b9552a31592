"""The `patter` command: its subcommands, found late so that --help costs little more than Typer."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from patter_cli.cli import (
    agents,
    call,
    dashboard,
    doctor,
    explain,
    fuzz,
    general,
    init,
    logs,
    mcp,
    record,
    serve,
    simulate,
    trigger,
    tunnel,
)
from patter_cli.cli.mistyped import Commands
from patter_cli.version import VERSION

app = typer.Typer(
    name="patter",
    cls=Commands,
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


app.command("serve", epilog=serve.EXAMPLES)(general.command(serve.serve))
app.command("call", epilog=call.EXAMPLES)(general.command(call.call))
app.command("simulate", epilog=simulate.EXAMPLES)(general.command(simulate.simulate))
app.command("tunnel", epilog=tunnel.EXAMPLES)(general.command(tunnel.tunnel))
app.command("dashboard", epilog=dashboard.EXAMPLES)(general.command(dashboard.dashboard))
app.command("doctor", epilog=doctor.EXAMPLES)(general.command(doctor.doctor))
app.command("init", epilog=init.EXAMPLES)(general.command(init.init))
app.command("explain", epilog=explain.EXAMPLES)(general.command(explain.explain))
app.command("fuzz", epilog=fuzz.EXAMPLES)(general.command(fuzz.fuzz))
app.command("trigger", epilog=trigger.EXAMPLES)(general.command(trigger.trigger))
app.command("mcp", epilog=mcp.EXAMPLES)(general.command(mcp.mcp))
app.add_typer(agents.app, name="agents")
app.add_typer(logs.app, name="logs")
app.add_typer(record.app, name="record")


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
