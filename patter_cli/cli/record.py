"""patter record: the sound of calls that are kept, and calls held again: replayed, or made a scenario of."""

from __future__ import annotations

import typer

from patter_cli.cli.general import command
from patter_cli.cli.logs import AsJson, Named
from patter_cli.settings import Settings

app = typer.Typer(
    help="List, show, play, fetch, export and delete recordings; replay a call, or make a scenario of it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def replay(settings: Settings, call: Named, json: AsJson = False) -> None:
    """Run a call again through the engine that is installed now, and print what it does otherwise: 1 if anything.

    Its facts come as they came: what the caller said and when, what model, tools and voice answered. Nothing is asked
    of anybody, and it takes no time. After the first difference others may only follow from it.

    --json: {call_id, same, orders, turns: [{number, words, moments: [{at_ms, event, then, now}]}], unreadable}; event
    is null where only today's engine acts, then and now are lists of {order, and what it says}; unreadable counts lines
    of the journal that are damaged: what follows the first of them is not run.
    """
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.record_replay import replay_lines, replayed
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    call_id = resolve_call(store, call)
    found, unreadable = replayed(store, call_id)
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json({"call_id": call_id, **found.render(), "unreadable": unreadable}))
    else:
        from patter_cli.cli.ink import ink

        print("\n".join(replay_lines(call_id, found, unreadable, ink(no_color=settings.no_color))))
    if not found.same:
        raise typer.Exit(1)


app.command(
    "replay",
    epilog="Examples: patter record replay last · patter record replay C20261128 --json | jq '.turns[].moments'",
)(command(replay))
