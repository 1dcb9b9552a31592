"""A kept call made a scenario: read, written down with a word about where it comes from."""

from __future__ import annotations

from pathlib import Path

from patter_cli.cli.logs_table import moment
from patter_cli.contracts.store import CallStore
from patter_cli.core.journal import read_entries
from patter_cli.errors import InputError, reason
from patter_cli.simulate.from_call import MadeScenario, scenario_of
from patter_cli.simulate.scenario_text import scenario_text


def made_scenario(store: CallStore, call_id: str) -> tuple[MadeScenario, str]:
    """The scenario, and its file's text. Raises InputError for a call of which none can be made."""
    entries, unreadable = read_entries(store.journal(call_id))
    try:
        made = scenario_of(entries)
    except InputError as error:
        raise InputError(f"no scenario can be made of call {call_id}: {error}", hint=error.hint) from error
    record = store.get(call_id)
    when = "" if record is None else f", {moment(record.row.started_at)[:10]}"
    remarks = [f"Made of call {call_id}{when}, by patter record to-scenario."]
    if made.replaced:
        remarks.append("Names, numbers, cards and e-mail addresses in it are nobody's.")
    remarks += [f"Not expected, for it would be another: {each}" for each in made.left_out]
    if unreadable:
        remarks.append("The journal of the call is damaged; what follows the damage is not in here.")
    return made, scenario_text(made.scenario, tuple(remarks))


def write_new(out: Path, text: str) -> None:
    """To a file that is not there yet. Raises InputError."""
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        other = out.with_stem(f"{out.stem}-2")
        raise InputError(f"{out} is there already", hint=f"name another file: --out {other}") from error
    except OSError as error:
        hint = "name another file: --out agents/call.toml" if out.parent.exists() else f"mkdir -p {out.parent}"
        raise InputError(f"cannot write {out}: {reason(error)}", hint=hint) from error
