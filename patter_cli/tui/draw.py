"""The whole screen: what there is to see, what was chosen and a size, to a frame. Pure.

Up to 110 columns one thing stands below the other; wider, the calls and what they waited stand beside the transcript;
from 160 on a third column has the tools and what the call cost.
"""

from __future__ import annotations

from patter_cli.tui import panels
from patter_cli.tui.paint import Frame, Row, fit, piece, short, split_row, width_of
from patter_cli.tui.steer import Steering
from patter_cli.tui.theme import Theme
from patter_cli.tui.view import CallDetail, ScreenView

LEAST_WIDTH, LEAST_HEIGHT = 30, 8
TWO_COLUMNS, THREE_COLUMNS = 110, 160

METER = 8
"""How long the microphone's level is at its loudest, in signs; none below -60 dB."""
LOUD_DB = -3
"""Above that it is likely to be distorted."""

HELP = (
    ("up down, k j", "choose a call, and follow it"),
    ("1 to 9", "the same by its number"),
    ("f", "follow this call, or whichever begins last"),
    ("u d, page up, page down", "scroll the transcript; end: back to its end"),
    ("h", "hang the call up, with a goodbye; y says yes"),
    ("m", "mute the caller: the agent hears silence"),
    ("q, Ctrl-C", "stop: live calls may end; a second time cuts them"),
    ("?", "this page; any key leaves it"),
)


def draw(view: ScreenView, steering: Steering, *, title: str, width: int, height: int, theme: Theme) -> Frame:
    """The frame. title: the command that runs."""
    if width < LEAST_WIDTH or height < LEAST_HEIGHT:
        said = (f"{view.live} live; make the terminal larger", f"{view.live} live, too small", f"{view.live} live")
        rows: list[Row] = [[piece(next((each for each in said if len(each) <= width), said[-1]), theme.plain)]]
    else:
        middle = height - 2
        if steering.help:
            body = _help(theme, width, middle)
        elif width >= TWO_COLUMNS and height >= 20:
            body = _beside(view, steering, theme, width, middle)
        else:
            body = _below(view, steering, theme, width, middle)
        rows = [_header(view, theme, title, width), *body, _footer(view, steering, theme, width)]
    rows = panels.column(rows, theme, width, height)
    return Frame(width=width, rows=tuple(tuple(each) for each in rows))


def _header(view: ScreenView, theme: Theme, title: str, width: int) -> Row:
    """Who runs, and how it goes; where there is little room, the less important is left out."""
    facts: list[Row] = [[piece(f"{view.live}", theme.bold), piece(" live", theme.dim)]]
    if view.over:
        facts.append([piece(f"{view.over}", theme.bold), piece(" over", theme.dim)])
    if view.calls:
        facts.append([piece(panels.dollars(view.cost), theme.bold)])
    if view.level_db is not None:
        bars = max(0, min(METER, (view.level_db + 60) * METER // 60))
        loud = theme.warn if view.level_db > LOUD_DB else theme.bold
        rest = piece(theme.signs.over * (METER - bars), theme.dim)
        facts.append([piece("mic ", theme.dim), piece(theme.signs.block * bars, loud), rest])
    if view.lag_ms is not None:
        late = theme.bad if view.lag_ms >= 100 else theme.warn if view.lag_ms >= 20 else theme.bold
        facts.append([piece("lag ", theme.dim), piece(f"{view.lag_ms}", late), piece(" ms", theme.dim)])
    if view.waits.count:
        facts.append(
            [
                piece("p50 ", theme.dim), piece(f"{view.waits.p50_ms}", theme.bold), piece(" p95 ", theme.dim),
                piece(f"{view.waits.p95_ms}", theme.bold), piece(" ms", theme.dim),
            ]
        )  # fmt: skip
    right: Row = []
    for each in facts:
        more = [*([piece("   ", theme.plain)] if right else []), *each]
        if width_of(right) + width_of(more) > width - min(len(title) + 4, 30):
            break
        right += more
    name = [piece(f" {title}", theme.title)]
    if view.stopping:
        name.append(piece("  stopping, q cuts calls", theme.warn))
    return split_row(name, [*right, piece(" ", theme.plain)], width, theme.plain)


def _footer(view: ScreenView, steering: Steering, theme: Theme, width: int) -> Row:
    if steering.asks:
        number = view.number_of(steering.asks)
        other = view.calls[number].other if number is not None else "the call"
        asked = f" hang up {other}? y: yes, any other key: no "
        return fit([piece(asked, theme.asked)], width, theme.plain)
    keys = [(theme.signs.up_down, "choose"), ("f", "follow newest" if steering.call_id else "follow this")]
    if view.shown is not None and view.shown.row.live:
        keys += [("h", "hang up"), ("m", "unmute" if view.shown.row.muted else "mute")]
    keys += [("?", "help"), ("q", "quit")]
    said = sum(len(key) + len(does) + 1 for key, does in keys)
    gap = " " * max(1, min(3, (width - 1 - said) // len(keys)))
    row: Row = [piece(" ", theme.plain)]
    for key, does in keys:
        row += [piece(key, theme.key), piece(f" {does}{gap}", theme.dim)]
    return fit(row, width, theme.plain)


def _help(theme: Theme, width: int, height: int) -> list[Row]:
    rows = [panels.rule(theme, "keys", width), []]
    keys = max(len(key) for key, _ in HELP)
    for key, does in HELP:
        if width >= keys + 40:
            rows.append([piece(f"  {key:<{keys}}  ", theme.key), piece(does, theme.plain)])
        else:
            rows += [[piece(f"  {key}", theme.key)], [piece(f"    {does}", theme.plain)]]
    return panels.column(rows, theme, width, height)


def _below(view: ScreenView, steering: Steering, theme: Theme, width: int, height: int) -> list[Row]:
    """One below the other."""
    progress = _progress(view, theme, width, height)
    listed = min(max(1, len(view.calls)), max(2, height // 5))
    said = view.log if view.shown is not None else ()
    logged = min(len(said), 1 if height < 20 else 2 if height < 40 else 5)
    room = height - len(progress)
    bars = 0 if view.shown is None or room < 14 else 2 if room < 20 else 4 if room < 30 else 8
    if view.shown is not None and bars:
        bars = min(bars, 1 if not view.shown.turns else len(view.shown.turns) + (bars > 2))
    rows = [*progress, panels.rule(theme, "calls", width), *panels.calls(view, theme, width, listed)]
    rest = height - len(rows) - (logged + 1 if logged else 0) - (bars + 1 if bars else 0)
    rows += _talk(view, steering, theme, width, rest)
    if view.shown is not None and bars:
        rows.append(panels.rule(theme, "waits", width, panels.waits_text(view.shown.waits)))
        rows += panels.column(panels.waits(view.shown.turns, theme, width, bars), theme, width, bars)
    if logged:
        rows += [_log_rule(view, theme, width), *panels.log(said, theme, width, logged)]
    return rows


def _beside(view: ScreenView, steering: Steering, theme: Theme, width: int, height: int) -> list[Row]:
    """Columns, and the log below them."""
    said = view.log if view.shown is not None else ()
    logged = min(len(said), max(2, height // 10))
    high = height - (logged + 1 if logged else 0)
    third = 54 if width >= THREE_COLUMNS and view.shown is not None else 0
    first = max(50, min(60, width // 3))
    second = width - first - 1 - (third + 1 if third else 0)

    bars = 0 if view.shown is None else max(4, min(len(view.shown.turns) + 1, high // 2))
    progress = _progress(view, theme, first, high)
    listed = high - 1 - len(progress) - (bars + 1 if bars else 0)
    left = [*progress, panels.rule(theme, "calls", first), *panels.calls(view, theme, first, listed)]
    if view.shown is not None:
        left = panels.column(left, theme, first, listed + len(progress) + 1)
        left.append(panels.rule(theme, "waits", first, panels.waits_text(view.shown.waits)))
        left += panels.waits(view.shown.turns, theme, first, bars)
    columns = [(first, left), (second, _talk(view, steering, theme, second, high))]
    if third and view.shown is not None:
        columns.append((third, _spent(view.shown, theme, third, high)))
    fitted = [panels.column(rows, theme, wide, high) for wide, rows in columns]
    wall = piece(theme.signs.wall, theme.dim)
    body: list[Row] = []
    for each in zip(*fitted, strict=True):
        row: Row = list(each[0])
        for more in each[1:]:
            row += [wall, *more]
        body.append(row)
    if logged:
        body += [_log_rule(view, theme, width), *panels.log(said, theme, width, logged)]
    return body


def _log_rule(view: ScreenView, theme: Theme, width: int) -> Row:
    """With what is to be known whatever else is said meanwhile."""
    return panels.rule(theme, "log", width, short(view.notice, width - 12), right_style=theme.warn)


def _progress(view: ScreenView, theme: Theme, width: int, height: int) -> list[Row]:
    """How far the list is, where one is rung; where there is little room, no more than its bar."""
    if view.listing is None:
        return []
    rows = panels.listing(view.listing, view.cost, theme, width)
    return rows[:2] if height < 16 else rows


def _spent(detail: CallDetail, theme: Theme, width: int, height: int) -> list[Row]:
    """Tools above, money below."""
    costs = panels.costs(detail, theme, width, 8)
    room = height - len(costs) - 2
    rows = [panels.rule(theme, "tools", width), *panels.tools(detail, theme, width, room)]
    rows = panels.column(rows, theme, width, room + 1)
    return [*rows, panels.rule(theme, "cost", width, panels.dollars(detail.row.cost)), *costs]


def _talk(view: ScreenView, steering: Steering, theme: Theme, width: int, height: int) -> list[Row]:
    """The conversation; while there is none, what the command has to say."""
    if height < 2:
        return panels.column([], theme, width, max(0, height))
    detail = view.shown
    if detail is None:
        rows = [_log_rule(view, theme, width), *panels.log(view.log, theme, width, height - 1)]
        return panels.column(rows, theme, width, height)
    said, scrolled = panels.transcript(detail, theme, width, height - 1, steering.scrolled)
    arrow = theme.signs.there if detail.row.outbound else theme.signs.here
    title = f"{detail.row.agent} {arrow} {detail.row.other}"
    right = f"{scrolled} rows back, end: to the end" if scrolled else panels.phase_text(detail.row)
    if not steering.call_id and not scrolled and detail.row.live:
        right += ", newest"
    return panels.column([panels.rule(theme, title, width, right), *said], theme, width, height)
