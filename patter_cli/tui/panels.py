"""The parts of the screen, each a function of what there is to see and its own size to rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from rich.segment import Segment
from rich.style import Style

from patter_cli.observe.metrics import TurnLatency
from patter_cli.tui.paint import Row, cut, fit, piece, short, split_row, width_of, wrap
from patter_cli.tui.theme import STAGES, Theme
from patter_cli.tui.view import CallDetail, CallRow, Line, ListProgress, Money, Phase, ScreenView, Waits, Who

GUTTER = 8
"""For who speaks."""
CLOCK = 6
TIMED = 64
"""A transcript this wide has the time in front of its lines."""
AIRY = 30
"""One this high has a blank row before each of the caller's turns."""

_TROUBLED = ("failed", "unknown", "interrupted")
"""Outcomes that somebody has to see to."""

_SIGNS = {
    Phase.SPEAKING: "live", Phase.CALLER: "live", Phase.THINKING: "busy", Phase.TOOL: "busy", Phase.HELD: "busy",
    Phase.OVER: "over",
}  # fmt: skip


def clock(ms: int) -> str:
    """4:05, and 1:04:05 from an hour on."""
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def dollars(money: Money) -> str:
    """What is known, and whether that is all: $0.0123, $0.0123+?, $?."""
    if not money.known:
        return "$0" if money.whole else "$?"
    known = f"${money.known:.2f}" if money.known >= 1 else f"${money.known:.4f}"
    return known if money.whole else f"{known}+?"


def rule(theme: Theme, title: str, width: int, right: str = "", *, right_style: Style | None = None) -> Row:
    """A line with a name in it, and something at its end."""
    start = [piece(theme.signs.rule, theme.dim), piece(f" {short(title, max(0, width - 4))} ", theme.title)]
    end = [piece(f" {right} ", right_style or theme.dim), piece(theme.signs.rule, theme.dim)] if right else []
    gap = width - width_of(start) - width_of(end)
    if gap < 0:
        return fit(start, width, theme.plain)
    return fit([*start, piece(theme.signs.rule * gap, theme.dim), *end], width, theme.plain)


# --- the people who are rung -------------------------------------------------------------------------------------


def listing(progress: ListProgress, spent: Money, theme: Theme, width: int) -> list[Row]:
    """How far the list is, as a bar, and below it in words: what became of whom, and what is still to come."""
    became = [(count, name.replace("_", " "), name in _TROUBLED) for name, count in progress.outcomes]
    to_come = [
        (count, name, False)
        for count, name in (
            (progress.ringing, "on the line"),
            (progress.left, "left"),
            (progress.again, "to ring again"),
            (progress.refused, "not to be rung"),
        )
        if count
    ]
    rows = [
        rule(theme, f"list {progress.name}", width, f"{progress.done} of {progress.people}"),
        _people(progress, theme, width),
    ]
    for group in (became, to_come):
        words = [
            (f"{count} {name}{',' if number < len(group) else ''}", theme.bad if bad else theme.plain)
            for number, (count, name, bad) in enumerate(group, 1)
        ]
        rows += [[piece(" ", theme.plain), *row] for row in wrap(words, width - 2, theme.plain) if row]
    money: Row = [piece("   spent ", theme.dim), piece(dollars(spent), theme.plain)]
    if progress.left or progress.again:
        more = "$?" if progress.usd_left is None else f"${progress.usd_left:.2f}"
        money += [piece(", to come about ", theme.dim), piece(more, theme.plain)]
    rows.append([piece(f" {left_text(progress)}", theme.plain), *money])
    return [fit(each, width, theme.plain) for each in rows]


def _people(progress: ListProgress, theme: Theme, width: int) -> Row:
    """Those of whom it is known, those who are rung, and the others."""
    signs = theme.signs
    kinds = (
        (progress.done, signs.block, theme.who[Who.AGENT]),
        (progress.ringing, signs.shade, theme.phase[Phase.RINGING]),
    )
    room, passed, cells = width - 2, 0, 0
    row: Row = [piece(" ", theme.plain)]
    for count, sign, style in kinds:
        passed += count
        until = round(passed * room / max(1, progress.people))
        row.append(piece(sign * (until - cells), style))
        cells = until
    return fit([*row, piece(signs.faint * (room - cells), theme.dim)], width, theme.plain)


def left_text(progress: ListProgress) -> str:
    """How much longer it takes, as words."""
    if progress.stopping:
        return "nobody else is rung"
    if not progress.left and not progress.again:
        return "the last calls" if progress.ringing else "everybody was rung"
    if progress.seconds_left < 90:
        return f"about {max(1, round(progress.seconds_left))} s left"
    minutes = round(progress.seconds_left / 60)
    return f"about {minutes // 60} h {minutes % 60} min left" if minutes >= 90 else f"about {minutes} min left"


# --- the list of calls -------------------------------------------------------------------------------------------


def calls(view: ScreenView, theme: Theme, width: int, height: int) -> list[Row]:
    """A row for each call; the one that is shown stays in sight."""
    if not view.calls:
        return [fit([piece("  nobody is on the phone", theme.dim)], width, theme.plain)][:height]
    here = view.number_of(view.shown.row.call_id) if view.shown is not None else None
    first = max(0, min((here or 0) - height // 2, len(view.calls) - height))
    return [
        _call(each, theme, width, number, chosen=number == here)
        for number, each in enumerate(view.calls[first : first + height], first)
    ]


def _call(row: CallRow, theme: Theme, width: int, number: int, *, chosen: bool) -> Row:
    style = theme.phase[row.phase]
    base = theme.dim if not row.live else theme.bold if chosen else theme.plain
    head = [
        piece(theme.signs.pointer if chosen else " ", theme.key),
        piece(str(number + 1) if number < 9 else " ", theme.dim),
        piece(f" {getattr(theme.signs, _SIGNS.get(row.phase, 'quiet'))} ", style),
        piece(f"{clock(row.duration_ms):>5} ", base),
    ]
    said = [piece(phase_text(row), style)]
    if row.muted and row.live:
        said.insert(0, piece("muted, ", theme.warn))
    if row.troubles:
        said.append(piece(f" !{row.troubles}", theme.bad))
    more: Row = []
    if width >= 100:
        more = [piece(f"{row.turns:>4} turns {dollars(row.cost):>10} ", theme.dim)]
    room = width - width_of(head) - max(15, min(24, width // 4)) - width_of(more)
    other = min(14, max(9, room - 21))
    names = [
        piece(cut(row.agent, room - other - 1) + " ", base),
        piece(cut(row.other, other) + " ", theme.dim if not row.live else theme.plain),
    ]
    return fit([*head, *names, *more, *said], width, theme.plain)


def phase_text(row: CallRow) -> str:
    """Where a call is, or what became of it."""
    if row.live:
        return row.phase.value
    return (row.reason if row.outcome == "answered" else row.outcome).replace("_", " ")


# --- the transcript ----------------------------------------------------------------------------------------------


def transcript(detail: CallDetail, theme: Theme, width: int, height: int, scrolled: int) -> tuple[list[Row], int]:
    """The last rows, or those `scrolled` rows before them. Returns them, and how far it could be scrolled."""
    wanted = height + scrolled
    rows: list[Row] = []
    for line in reversed(detail.lines):
        of_line = list(_line(line, theme, width))
        if height >= AIRY and line.who is Who.CALLER:
            of_line.insert(0, fit([], width, theme.plain))
        rows[:0] = of_line
        if len(rows) >= wanted:
            break
    possible = min(scrolled, max(0, len(rows) - height))
    end = len(rows) - possible
    return rows[max(0, end - height) : end], possible


@lru_cache(maxsize=512)
def _line(line: Line, theme: Theme, width: int) -> tuple[Row, ...]:
    """One line of the transcript, wrapped. Kept: most of a screen is what it was a moment ago."""
    timed = width >= TIMED
    gutter = (CLOCK if timed else 0) + GUTTER
    said = theme.who[line.who] if line.who in (Who.NOTE, Who.TROUBLE) else theme.plain
    if line.who is Who.TOOL:
        said = theme.dim
    words = [(each, said) for each in line.text.split()]
    if line.unheard:
        unheard = line.unheard if theme.coloured else f"~~{line.unheard}~~"
        words += [(each, theme.struck) for each in unheard.split()]
    if line.growing:
        words.append((theme.signs.cursor, theme.who[line.who]))
    rows = []
    for number, row in enumerate(wrap(words, max(8, width - gutter), theme.plain)):
        time = f"{clock(line.at_ms):>5} " if timed and not number else " " * (CLOCK if timed else 0)
        who = line.who.value if not number else ""
        start = [piece(time, theme.dim), piece(f"{who:<{GUTTER}}", theme.who[line.who])]
        rows.append(fit([*start, *row], width, theme.plain))
    return tuple(rows)


# --- what callers waited -----------------------------------------------------------------------------------------


def waits_text(waits: Waits) -> str:
    """p50 640 · p95 910 ms of 12"""
    return f"p50 {waits.p50_ms}  p95 {waits.p95_ms} ms of {waits.count}" if waits.count else "none yet"


def waits(turns: Sequence[TurnLatency], theme: Theme, width: int, height: int) -> list[Row]:
    """The last turns as bars of one scale, and below them what the colours mean."""
    legend = height >= 3
    last = turns[-(height - legend) :] if height > legend else ()
    longest = max((each.total_ms for each in last), default=1) or 1
    rows = [_bar(each, theme, width, longest) for each in last]
    if not rows:
        rows = [fit([piece("  no turn was answered yet", theme.dim)], width, theme.plain)]
    if legend:
        signs: Row = [piece("  ", theme.plain)]
        for stage in STAGES:
            name = {"endpointing": "end of turn", "handover": "wire"}.get(stage, stage)
            signs.append(piece(theme.blocks[stage], theme.stage[stage]))
            signs.append(piece(f" {name}  ", theme.dim))
        rows.append(fit(signs, width, theme.plain))
    return rows[:height]


def _bar(turn: TurnLatency, theme: Theme, width: int, longest: int) -> Row:
    head = f"{turn.turn:>4} {turn.total_ms:>6} ms "
    room = max(1, width - len(head) - 1)
    row: Row = [piece(f"{turn.turn:>4} ", theme.dim), piece(f"{turn.total_ms:>6} ms ", theme.plain)]
    # Rounded at the stages' joints, so that the whole bar is right.
    passed, cells = 0, 0
    for stage in STAGES:
        passed += max(0, getattr(turn, f"{stage}_ms"))
        until = round(passed * room / longest)
        if until > cells:
            row.append(piece(theme.blocks[stage] * (until - cells), theme.stage[stage]))
            cells = until
    return fit(row, width, theme.plain)


# --- tools, money, log -------------------------------------------------------------------------------------------


def tools(detail: CallDetail, theme: Theme, width: int, height: int) -> list[Row]:
    """The last tool calls: what was asked, and what came of it."""
    rows: list[Row] = []
    for each in detail.tools:
        took = theme.signs.cursor if each.result is None else "" if each.took_ms is None else f"{each.took_ms} ms"
        name = theme.bad if each.failed else theme.who[Who.TOOL]
        head = [piece(f"{clock(each.at_ms):>5} ", theme.dim), piece(each.name, name)]
        rows.append(split_row(head, [piece(f"{took} ", theme.dim)], width, theme.plain))
        texts = (theme.signs.there, each.arguments), (theme.signs.here, each.result or "")
        for sign, text in texts:
            if text:
                words = [piece(f"      {sign} ", theme.dim), piece(short(text, max(1, width - 9)), theme.plain)]
                rows.append(fit(words, width, theme.plain))
    return rows[-height:] or [fit([piece("  none yet", theme.dim)], width, theme.plain)][:height]


def costs(detail: CallDetail, theme: Theme, width: int, height: int) -> list[Row]:
    """What each stage of the call cost."""
    rows = []
    for name, money in detail.legs:
        amount = [piece(f"{dollars(money)} ", theme.plain if money.whole else theme.warn)]
        rows.append(split_row([piece(f"  {name}", theme.dim)], amount, width, theme.plain))
    return rows[:height] or [fit([piece("  nothing was used yet", theme.dim)], width, theme.plain)][:height]


def log(lines: Sequence[str], theme: Theme, width: int, height: int) -> list[Row]:
    """The last lines of it, each on one row."""
    return [
        fit([piece(short(f" {each}", width), _severity(each, theme))], width, theme.plain)
        for each in lines[-height:]
        if height > 0
    ]


def _severity(line: str, theme: Theme) -> Style:
    word = line.split(" ", 1)[0].rstrip(":").upper()
    if word in ("ERROR", "CRITICAL"):
        return theme.bad
    return theme.warn if word == "WARNING" else theme.dim


def column(rows: Sequence[Row], theme: Theme, width: int, height: int) -> list[Row]:
    """Exactly so many rows of exactly this width."""
    fitted = [fit(each, width, theme.plain) for each in rows[:height]]
    blank = [Segment(" " * width, theme.plain)] if width else []
    return [*fitted, *([blank] * (height - len(fitted)))]
