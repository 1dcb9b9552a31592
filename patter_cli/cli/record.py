"""patter record: the sound of calls that are kept, and calls held again: replayed, or made a scenario of."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.general import command
from patter_cli.cli.logs import AsJson, Named, OfAgent, OfNumber, OfOutcome, Since, Until
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from patter_cli.cli.record_carried import FindCarrier
    from patter_cli.contracts.carrier.carrier import Carrier

app = typer.Typer(
    help="List, show, play, fetch, export and delete recordings; replay a call, or make a scenario of it.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

FromCarrier = Annotated[
    bool, typer.Option("--from-carrier", help="The carrier's recording, fetched with the keys that are set.")
]
Channels = Annotated[str, typer.Option(metavar="WHOSE", help="caller, agent or both.")]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar="FORMAT", help="wav, or mp3 where ffmpeg is.", show_default="by the file's name"),
]


def list_recordings(
    settings: Settings,
    since: Since = None,
    until: Until = None,
    agent: OfAgent = None,
    number: OfNumber = None,
    outcome: OfOutcome = None,
    limit: Annotated[int, typer.Option(min=1, help="So many at most, the youngest.")] = 50,
    json: AsJson = False,
) -> None:
    """List the calls that are recorded, here or at their carrier, the youngest first.

    --json: {recordings: [{call_id and what else patter logs list has of a call, path, bytes, seconds,
    carrier_recording: {recording_id, url, duration_ms}}], more}. path, bytes and seconds are null where it was not
    recorded here, carrier_recording where no carrier told of one.
    """
    from patter_cli.cli.logs_query import call_query
    from patter_cli.cli.recordings import listed
    from patter_cli.kept_calls import kept_calls

    query = call_query(since=since, until=until, agent=agent, number=number, outcome=outcome)
    found, more = listed(kept_calls(settings), query, limit)
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json({"recordings": found, "more": more}))
        return
    if not found:
        print("no call that fits is recorded; record calls: patter serve --record", file=sys.stderr)
        return
    from patter_cli.cli.ink import ink
    from patter_cli.cli.record_table import recordings_table

    print("\n".join(recordings_table(found, ink(no_color=settings.no_color))))
    if more:
        print(f"there are more than these {limit}: --limit {limit * 4}, or --since 7d", file=sys.stderr)


def show(settings: Settings, call: Named, from_carrier: FromCarrier = False, json: AsJson = False) -> None:
    """Draw a recording: how loud each side was when, and beneath it what was said.

    --json: {call_id, path, seconds, rate_hz, channels, utterances: [{who, begin_ms, end_ms, text, turn, keys,
    cut_off}]}; times are from the recording's beginning, turn 0 is what came before the caller's first words, keys are
    those that the caller pressed instead of speaking; path is null for a carrier's.
    """
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.record_carried import wav_of
    from patter_cli.cli.record_sound import read_sound
    from patter_cli.cli.recordings import kept_record
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    record = kept_record(store, resolve_call(store, call))
    with wav_of(store, record, _find(from_carrier)) as path:
        sound = read_sound(store, record, path, carried=from_carrier)
    where = None if from_carrier else str(path)
    if json:
        from patter_cli.text.printable import printable_json

        said = [each.render() for each in sound.said]
        for each in said:
            each["begin_ms"], each["end_ms"] = each["begin_ms"] - sound.begun, each["end_ms"] - sound.begun
        facts = {"call_id": record.row.call_id, "path": where, "seconds": round(sound.seconds, 2)}
        shape = {"rate_hz": sound.rate_hz, "channels": sound.sides.shape[1]}
        print(printable_json({**facts, **shape, "utterances": said}))
        return
    from patter_cli.cli.ink import ink
    from patter_cli.cli.record_table import recording_head
    from patter_cli.cli.waveform import waveform

    drawn = ink(no_color=settings.no_color)
    print("\n".join(recording_head(record.row, sound.seconds, where, drawn)))
    print("\n".join(waveform(sound.sides, sound.rate_hz, sound.said, sound.begun, drawn)))


def play(settings: Settings, call: Named, channels: Channels = "both", from_carrier: FromCarrier = False) -> None:
    """Play a recording on this machine, and print what is said as it sounds. Ctrl-C ends it.

    It needs the extra mic, and a loudspeaker; without one: patter record get CALL -o call.wav.
    """
    from patter_cli.cli.ink import duration
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.record_carried import wav_of
    from patter_cli.cli.record_sound import CHANNELS, channel_of, chosen, read_sound
    from patter_cli.cli.recordings import kept_record
    from patter_cli.kept_calls import kept_calls
    from patter_cli.simulate.loudspeaker import play_aloud
    from patter_cli.text.printable import printable

    chosen(channels, CHANNELS, "--channels")
    store = kept_calls(settings)
    record = kept_record(store, resolve_call(store, call))
    with wav_of(store, record, _find(from_carrier)) as path:
        sound = read_sound(store, record, path, carried=from_carrier)
    coming = list(sound.said)

    def tell(at_ms: int) -> None:
        while coming and coming[0].begin - sound.begun <= at_ms:
            said = coming.pop(0)
            at = duration(max(0, said.begin - sound.begun) / 1000)
            print(f"{at:>6}  {said.who:<7}{printable(said.text)}", flush=True)

    play_aloud(channel_of(sound.sides, channels), sound.rate_hz, tell)


def get(
    settings: Settings,
    call: Named,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to.", show_default="CALL.wav")
    ] = None,
    channels: Channels = "both",
    format_: Format = None,
    from_carrier: FromCarrier = False,
    json: AsJson = False,
) -> None:
    """Write a call's recording to a file: the caller left, the agent right.

    --json: {call_id, path, format, channels, seconds}; channels counts those of the file.
    """
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.record_carried import wav_of
    from patter_cli.cli.record_sound import CHANNELS, channel_of, check_format, chosen, read_recording, write_sound
    from patter_cli.cli.recordings import kept_record
    from patter_cli.kept_calls import kept_calls

    chosen(channels, CHANNELS, "--channels")
    wanted = format_ or ("mp3" if out is not None and out.suffix.lower() == ".mp3" else "wav")
    check_format(wanted)
    store = kept_calls(settings)
    record = kept_record(store, resolve_call(store, call))
    target = out if out is not None else Path(f"{record.row.call_id}.{wanted}")
    with wav_of(store, record, _find(from_carrier)) as path:
        sides, rate_hz = read_recording(record, path)
    samples = channel_of(sides, channels)
    write_sound(samples, rate_hz, target, wanted)
    seconds = len(samples) / rate_hz
    if json:
        from patter_cli.text.printable import printable_json

        facts = {"call_id": record.row.call_id, "path": str(target), "format": wanted}
        print(printable_json({**facts, "channels": samples.shape[1], "seconds": round(seconds, 2)}))
    else:
        print(f"wrote {target}: {seconds:.1f} s of {record.row.call_id}", file=sys.stderr)


def export(
    settings: Settings,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the files go, CALL.wav each.")],
    since: Since = None,
    until: Until = None,
    agent: OfAgent = None,
    number: OfNumber = None,
    outcome: OfOutcome = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many at most, the youngest.", show_default="all")] = None,
    channels: Channels = "both",
    format_: Annotated[str, typer.Option("--format", metavar="FORMAT", help="wav, or mp3 where ffmpeg is.")] = "wav",
    from_carrier: FromCarrier = False,
    json: AsJson = False,
) -> None:
    """Write the recordings of many calls into a folder. 1 if one of them could not be written.

    --json: {written: [{call_id, path}], failed: [{call_id, why}]}.
    """
    from patter_cli.cli.logs_query import call_query
    from patter_cli.cli.record_sound import CHANNELS, check_format, chosen, export_all
    from patter_cli.kept_calls import kept_calls

    chosen(channels, CHANNELS, "--channels")
    check_format(format_)
    query = call_query(since=since, until=until, agent=agent, number=number, outcome=outcome, limit=limit)
    written, failed = [], []
    for call_id, path, why in export_all(
        kept_calls(settings), query, folder, _find(from_carrier), channels=channels, format_name=format_
    ):
        if path is None:
            failed.append({"call_id": call_id, "why": why})
            print(f"{call_id}: {why}", file=sys.stderr)
        else:
            written.append({"call_id": call_id, "path": str(path)})
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json({"written": written, "failed": failed}))
    else:
        many = "1 recording is" if len(written) == 1 else f"{len(written)} recordings are"
        print(f"{many} in {folder}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


def delete(
    settings: Settings,
    call: Named,
    from_carrier: Annotated[
        bool, typer.Option("--from-carrier", help="What the carrier recorded, at the carrier, and not what is here.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Delete a call's recording; what was said stays in patter logs. It cannot be undone.

    --json: {call_id, deleted}; deleted counts recordings.
    """
    import asyncio

    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.recordings import delete_local, kept_record
    from patter_cli.errors import InputError
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    record = kept_record(store, resolve_call(store, call))
    call_id = record.row.call_id
    if not yes:
        if not sys.stdin.isatty():
            raise InputError(f"that deletes the recording of call {call_id}", hint="--yes deletes it")
        where = f"at {record.row.carrier}" if from_carrier else "here"
        typer.confirm(f"Delete the recording of call {call_id} {where}?", abort=True, err=True)
    find = _find(from_carrier)
    if find is None:
        deleted = int(delete_local(store, record))
    else:
        from patter_cli.cli.record_carried import delete_carried

        deleted = asyncio.run(delete_carried(store, record, find))
    if not deleted:
        raise InputError(f"there is no recording of call {call_id} to delete", hint="patter record list")
    if json:
        from patter_cli.text.printable import printable_json

        print(printable_json({"call_id": call_id, "deleted": deleted}))
    else:
        print(f"the recording of call {call_id} is deleted", file=sys.stderr)


def to_scenario(
    settings: Settings,
    call: Named,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="A new file, as agents/shop-busy.toml.", show_default="print"),
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a scenario of a call: its caller's words at their moments, and what the agent answered and called.

    Pauses, interruptions, keys and hanging up are where they were. Names, phone numbers, cards and e-mail addresses are
    exchanged for others, the same in every place; keys of up to four digits stay. Not expected are dates, and lines
    that bridged a wait or mended a misunderstanding. Look it through before you hand it on. It is played by: patter
    simulate --scenario FILE.

    --json: {call_id, path, scenario, steps, replaced, left_out}; path is null where it is only printed, replaced counts
    places, left_out are answers that are not expected.
    """
    from patter_cli.cli.logs_query import resolve_call
    from patter_cli.cli.record_scenario import made_scenario, write_new
    from patter_cli.kept_calls import kept_calls

    store = kept_calls(settings)
    call_id = resolve_call(store, call)
    made, text = made_scenario(store, call_id)
    if out is not None:
        write_new(out, text)
    if json:
        from patter_cli.text.printable import printable_json

        facts = {"call_id": call_id, "path": None if out is None else str(out), "scenario": text}
        counts = {"steps": len(made.scenario.steps), "replaced": made.replaced, "left_out": list(made.left_out)}
        print(printable_json({**facts, **counts}))
    elif out is None:
        print(text, end="")
    else:
        print(
            f"wrote {out}: {len(made.scenario.steps)} steps; play it: patter simulate --scenario {out}", file=sys.stderr
        )


def _find(from_carrier: bool) -> FindCarrier | None:
    """Carriers by their names, with the keys that are set; None: what was recorded here is wanted."""
    if not from_carrier:
        return None
    from patter_cli import wiring

    def find(name: str) -> Carrier:
        line = wiring.built_in_line()
        return line if name in ("", line.name, "typed") else wiring.carriers(name)[name]

    return find


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
    "list", epilog="Examples: patter record list --since 7d · patter record list --json | jq -r '.recordings[].path'"
)(command(list_recordings))
app.command("show", epilog="Examples: patter record show last · patter record show last --from-carrier")(command(show))
app.command("play", epilog="Examples: patter record play last · patter record play last --channels caller")(
    command(play)
)
app.command(
    "get",
    epilog="Examples: patter record get last -o call.wav · patter record get last -o caller.wav --channels caller · "
    "patter record get last -o call.mp3 --from-carrier",
)(command(get))
app.command(
    "export",
    epilog="Examples: patter record export recordings --since 7d · patter record export recordings --from-carrier",
)(command(export))
app.command("delete", epilog="Examples: patter record delete C20261128 · patter record delete last --from-carrier -y")(
    command(delete)
)
app.command(
    "replay",
    epilog="Examples: patter record replay last · patter record replay C20261128 --json | jq '.turns[].moments'",
)(command(replay))
app.command(
    "to-scenario",
    epilog="Examples: patter record to-scenario last · patter record to-scenario C20261128 -o agents/shop-late.toml",
)(command(to_scenario))
