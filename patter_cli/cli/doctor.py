"""patter doctor: what this machine, its keys, its carriers and its public address still lack, and how to mend it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from patter_cli.doctor.findings import Finding
    from patter_cli.doctor.shown_settings import ShownSetting

EXAMPLES = "Examples: patter doctor · patter doctor --json · patter doctor --webhook-url phone.example.com"


def doctor(
    settings: Settings,
    host: Annotated[str, typer.Option(help="Address that a server would listen on.")] = DEFAULTS.host,
    port: Annotated[int, typer.Option(help="Port that a server would listen on.")] = DEFAULTS.port,
    webhook_url: Annotated[
        str | None, typer.Option(metavar="HOST", help="Where carriers reach this machine.", show_default=False)
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at everything that calls need, and say what is missing and how to mend it.

    Last come the settings, each with its value and where that comes from. Nothing is changed and nobody is rung. Exit
    code: 0 nothing that is needed is missing, 1 something is.

    --json: {ok, version, checks: [{name, status, detail, fix, took_ms}], settings: [{name, value, source, where}]};
    source is flag, environment, .env, patter.toml or default.
    """
    import asyncio

    from patter_cli.doctor.checks import secrets_of
    from patter_cli.doctor.findings import Status, without_secrets
    from patter_cli.doctor.shown_settings import shown_settings

    found = without_secrets(asyncio.run(_examine(settings)), secrets_of(settings))
    well = all(each.status is not Status.MISSING for each in found)
    rows = shown_settings(settings)
    print(_as_json(found, rows, well=well) if json_ else _as_text(found, rows))
    if not well:
        raise typer.Exit(1)


async def _examine(settings: Settings) -> list[Finding]:
    from patter_cli.doctor.checks import all_checks, public_address
    from patter_cli.doctor.findings import run_checks

    return await run_checks(all_checks(settings, await public_address(settings)), on_progress=_progress)


def _progress(done: int, of: int) -> None:
    if sys.stderr.isatty():
        end = "\r\x1b[K" if done == of else ""
        print(f"\r{done} of {of} looked at{end}", end="", file=sys.stderr, flush=True)


def _as_json(found: Sequence[Finding], settings: Sequence[ShownSetting], *, well: bool) -> str:
    from patter_cli.version import VERSION

    rows = [
        {
            "name": each.name,
            "status": each.status.value,
            "detail": each.detail,
            "fix": each.fix,
            "took_ms": each.took_ms,
        }
        for each in found
    ]
    told = {"ok": well, "version": VERSION, "checks": rows, "settings": [asdict(each) for each in settings]}
    return json.dumps(told, indent=2)


def _as_text(found: Sequence[Finding], settings: Sequence[ShownSetting]) -> str:
    from patter_cli.doctor.findings import Status
    from patter_cli.text.printable import printable_lines

    width = max(len(each.name) for each in found)
    lines = []
    for each in found:
        lines.append(printable_lines(f"{each.status.value:8}{each.name:{width}}  {each.detail}"))
        if each.fix:
            lines.append(printable_lines(f"{'':8}{'':{width}}  fix: {each.fix}"))
    width = max(len(each.name) for each in settings)
    lines += ["", "settings"]
    for row in settings:
        where = f"  ({row.where or row.source})" if row.source != "default" else ""
        lines.append(printable_lines(f"  {row.name:{width}}  {row.value}{where}"))
    lines.append("")
    lacking = sum(each.status is Status.MISSING for each in found)
    unsure = any(each.status is Status.UNSURE for each in found)
    well = "All is well, as far as can be told before a call" if unsure else "All is well"
    lines.append(f"{lacking} of {len(found)} to mend" if lacking else f"{well}; what is off is not needed.")
    return "\n".join(lines)
