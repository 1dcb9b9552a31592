"""patter logs: the calls that are kept, listed, shown, followed, added up and handed on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import command, complete_agent
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from patter_cli.contracts.store import CallStore

app = typer.Typer(
    help="List, show, follow, add up and export the calls that are kept.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def complete_call(incomplete: str) -> list[str]:
    """The ids of kept calls that begin like this, for the shell."""
    from patter_cli.errors import PatterError
    from patter_cli.kept_calls import kept_calls
    from patter_cli.setting_files import read_config, read_env_file
    from patter_cli.settings import load_settings

    try:
        settings = load_settings(env_file=read_env_file(None), config=read_config(None))
        found = kept_calls(settings).find(incomplete, limit=50)
    except (PatterError, OSError):
        return []
    return [each for each in (*found, "last") if each.startswith(incomplete)]


def complete_outcome(incomplete: str) -> list[str]:
    """The outcomes that begin like this, for the shell."""
    from patter_cli.core.outcome import Outcome

    return [each.value for each in Outcome if each.value.startswith(incomplete)]


Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Began then or later: 2026-11-28, today, 24h, 7d.", show_default=False),
]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Began before then.", show_default=False)]
OfAgent = Annotated[
    str | None,
    typer.Option(metavar="AGENT", help="Held by this agent.", autocompletion=complete_agent, show_default=False),
]
OfNumber = Annotated[
    str | None, typer.Option(metavar="NUMBER", help="With this number on either side.", show_default=False)
]
OfOutcome = Annotated[
    str | None,
    typer.Option(
        metavar="OUTCOME",
        help="answered, voicemail, no_answer, busy, failed, canceled or interrupted.",
        autocompletion=complete_outcome,
        show_default=False,
    ),
]
Text = Annotated[str | None, typer.Option(metavar="WORDS", help="Somebody said this.", show_default=False)]
MinDuration = Annotated[
    str | None, typer.Option(metavar="TIME", help="Lasted so long or longer: 90s, 2m.", show_default=False)
]
MaxDuration = Annotated[str | None, typer.Option(metavar="TIME", help="Lasted no longer.", show_default=False)]
MinCost = Annotated[
    float | None, typer.Option(metavar="USD", help="Cost so much or more, as far as is known.", show_default=False)
]
MaxCost = Annotated[float | None, typer.Option(metavar="USD", help="Cost no more.", show_default=False)]
Limit = Annotated[int, typer.Option(min=1, help="So many at most, the youngest.")]
Masked = Annotated[bool, typer.Option("--redact", help="Strike out phone numbers, cards and keys in what is shown.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Named = Annotated[
    str,
    typer.Argument(metavar="CALL", help="A call id, its beginning or end, or last.", autocompletion=complete_call),
]


def list_calls(
    settings: Settings,
    since: Since = None,
    until: Until = None,
    agent: OfAgent = None,
    number: OfNumber = None,
    outcome: OfOutcome = None,
    text: Text = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    limit: Limit = 50,
    masked: Masked = False,
    json: AsJson = False,
) -> None:
    """List calls, the youngest first.

    --json: {calls: [{call_id, started_at, agent, caller, callee, direction, carrier, outcome, reason, duration_s,
    turns, waited_ms, usd, known_usd}], more}. started_at in Unix seconds; outcome and duration_s are null while the
    call lasts, usd also where a price is unknown; waited_ms is the middle of what the caller waited for answers; more:
    there are others that fit.
    """
    from dataclasses import replace

    from patter_cli.cli.logs_query import call_query
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    query = call_query(
        since=since, until=until, agent=agent, number=number, outcome=outcome, text=text, min_duration=min_duration,
        max_duration=max_duration, min_cost=min_cost, max_cost=max_cost, limit=limit + 1,
    )  # fmt: skip
    found = store.list(query)
    rows, more = found[:limit], len(found) > limit
    if masked:
        from patter_cli.text.redact import mask_number

        rows = tuple(replace(each, caller=mask_number(each.caller), callee=mask_number(each.callee)) for each in rows)
    if json:
        from patter_cli.observe.export import row_facts
        from patter_cli.text.printable import printable_json

        print(printable_json({"calls": [row_facts(each) for each in rows], "more": more}))
        return
    if not rows:
        _tell_none(store, settings)
        return
    from patter_cli.cli.ink import ink
    from patter_cli.cli.logs_table import calls_table

    print("\n".join(calls_table(rows, ink(no_color=settings.no_color))))
    if more:
        print(f"there are more than these {limit}: --limit {limit * 4}, or --since 7d", file=sys.stderr)


def show(settings: Settings, call: Named, masked: Masked = False, json: AsJson = False) -> None:
    """Show a call as a conversation: each turn with where its time went, tools, costs, and what was not heard.

    --json: {call: as in list, turns: [{number, at_ms, caller, agent: [{at_ms, heard, unheard, interrupted}], tools:
    [{at_ms, name, arguments, result, took_ms}], latency, known_usd, faults}], cost, unreadable}. Turn 0 is what came
    before the caller's first words; arguments and result are JSON texts; latency is null where the agent did not
    answer the caller; unreadable counts lines of the journal that are damaged.
    """
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.errors import InputError
    from patter_cli.kept_calls import kept_calls
    from patter_cli.observe.export import row_facts
    from patter_cli.observe.retold import retell
    from patter_cli.text.redact import Redaction

    store = kept_calls(settings)
    call_id = resolve_call(store, call)
    told = retell(store, call_id, Redaction.NUMBERS if masked else Redaction.OFF)
    if told is None:
        raise InputError(f"call {call_id} was deleted just now", hint="patter logs list")
    row, story = told
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json({"call": row_facts(row), **story.render()}))
        return
    from patter_cli.cli.ink import ink
    from patter_cli.cli.logs_conversation import conversation

    print("\n".join(conversation(row, story, ink(no_color=settings.no_color))))


def stats(
    settings: Settings,
    since: Since = None,
    until: Until = None,
    agent: OfAgent = None,
    number: OfNumber = None,
    outcome: OfOutcome = None,
    text: Text = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    json: AsJson = False,
) -> None:
    """Add calls up: what callers waited for, stage by stage, outcomes, and costs by day, agent, number and vendor.

    --json: {calls, live, duration_s, known_usd, unpriced, outcomes, stages, agents, days, numbers, vendors}; stages:
    by name, {turns, p50, p95, p99, most} in ms; the last four: [{name, calls, duration_s, known_usd, unpriced,
    waits}]. unpriced counts calls of which some cost is unknown; known_usd is without it.
    """
    from patter_cli.cli.logs_query import call_query
    from patter_cli.cli.logs_table import stats_facts, stats_lines
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    query = call_query(
        since=since, until=until, agent=agent, number=number, outcome=outcome, text=text, min_duration=min_duration,
        max_duration=max_duration, min_cost=min_cost, max_cost=max_cost,
    )  # fmt: skip
    found = store.stats(query)
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json(stats_facts(found)))
    elif not found.calls:
        _tell_none(store, settings)
    else:
        from patter_cli.cli.ink import ink

        print("\n".join(stats_lines(found, ink(no_color=settings.no_color))))


def export(
    settings: Settings,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="csv, jsonl (a line for each call) or json (an array).")
    ] = "jsonl",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write it there instead of printing it.", show_default=False),
    ] = None,
    since: Since = None,
    until: Until = None,
    agent: OfAgent = None,
    number: OfNumber = None,
    outcome: OfOutcome = None,
    text: Text = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    min_cost: MinCost = None,
    max_cost: MaxCost = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most, the youngest.", show_default="all")] = None,
    masked: Masked = False,
) -> None:
    """Hand calls on with all that was written down, the youngest first.

    jsonl, json: what list prints of a call, and `record`: history, metrics, cost, recording and the rest. csv: a line
    for each call with its transcript in the last column; what a spreadsheet would take for a formula has an apostrophe
    in front.
    """
    from patter_cli.cli.logs_export import check_format, exported, write_out
    from patter_cli.cli.logs_query import call_query
    from patter_cli.kept_calls import kept_calls

    check_format(format_)
    query = call_query(
        since=since, until=until, agent=agent, number=number, outcome=outcome, text=text, min_duration=min_duration,
        max_duration=max_duration, min_cost=min_cost, max_cost=max_cost, limit=limit,
    )  # fmt: skip
    write_out(exported(kept_calls(settings), query, format_, masked=masked), out)


def tail(
    settings: Settings,
    agent: OfAgent = None,
    masked: Masked = False,
    json: AsJson = False,
) -> None:
    """Follow calls as they happen, until Ctrl-C: those of a server that runs, and of the next one.

    --json: a line for each thing that happens: {call_id, at_ms, time, what} and by what: started (agent, caller,
    callee, direction, carrier), ringing, answered, connected, said (who, text, interrupted), tool (tool_call_id, name,
    arguments), result (tool_call_id, result), waited (turn, its parts in ms, total_ms), fault (provider, message),
    ended (outcome, reason).
    """
    from patter_cli.cli.logs_tail import tail as follow
    from patter_cli.kept_calls import default_folder, kept_calls

    print(f"following the calls in {settings.log_dir or default_folder()}; Ctrl-C ends it", file=sys.stderr, flush=True)
    follow(kept_calls(settings), agent=agent, masked=masked, as_json=json)


def backup(
    settings: Settings,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the copy is; made if there is none.")],
) -> None:
    """Copy all calls into a folder, while calls go on; of what it has already nothing is copied again.

    The copy is such a folder itself: PATTER_LOG_DIR=FOLDER patter logs list.
    """
    from patter_cli.kept_calls import kept_calls

    copied = kept_calls(settings).backup(folder)
    print(f"calls copied into {folder}, which it had not: {copied}", file=sys.stderr)


def reindex(settings: Settings) -> None:
    """Make the index anew from the folders of the calls; nothing of a call is changed."""
    from patter_cli.kept_calls import kept_calls

    print(f"calls in the index: {kept_calls(settings).reindex()}", file=sys.stderr)


def _tell_none(store: CallStore, settings: Settings) -> None:
    """Say on stderr why there is nothing to see."""
    from patter_cli.contracts.store import CallQuery
    from patter_cli.kept_calls import default_folder

    if store.list(CallQuery(limit=1)):
        print("no call fits; patter logs list shows all", file=sys.stderr)
    else:
        print(f"no calls are kept in {settings.log_dir or default_folder()} yet: patter simulate", file=sys.stderr)


app.command(
    "list",
    epilog="Examples: patter logs list · patter logs list --since 7d --outcome failed · "
    'patter logs list --text "opening hours" --json | jq -r ".calls[].call_id"',
)(command(list_calls))
app.command(
    "show", epilog="Examples: patter logs show last · patter logs show C20261128 · patter logs show last --json"
)(command(show))
app.command("tail", epilog="Examples: patter logs tail · patter logs tail --json | jq -c 'select(.what==\"waited\")'")(
    command(tail)
)
app.command("stats", epilog="Examples: patter logs stats --since 7d · patter logs stats --agent receptionist --json")(
    command(stats)
)
app.command(
    "export",
    epilog="Examples: patter logs export --format csv --out calls.csv · patter logs export --since yesterday | jq .",
)(command(export))
app.command("backup", epilog="Example: patter logs backup /mnt/backup/calls")(command(backup))
app.command("reindex", epilog="Example: patter logs reindex")(command(reindex))
