"""How the screen looks: with the terminal's own sixteen colours, and without any, where signs say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from rich.style import Style

from patter_cli.tui.view import Phase, Who

STAGES = ("endpointing", "stt", "llm", "clause", "tts", "handover")
"""Of a turn's latency, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signs:
    """What is drawn beside text."""

    live: str = "●"
    quiet: str = "○"
    busy: str = "◐"
    over: str = "·"
    pointer: str = "▸"
    cursor: str = "▌"
    rule: str = "─"
    wall: str = "│"
    up_down: str = "↑↓"
    there: str = "→"
    here: str = "←"
    block: str = "█"
    shade: str = "▓"
    faint: str = "░"
    blocks: str = "░▒▓▚█▞"
    """One for each stage, where colours do not tell them apart."""


ASCII = Signs(
    live="*", quiet="o", busy="@", over=".", pointer=">", cursor="_", rule="-", wall="|", up_down="j/k", there="->",
    here="<-", block="#", shade="+", faint=".", blocks=".:=+#%",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Theme:
    """Styles and signs; two are equal if they are the same. coloured: a stroke and a colour say what is unheard; else
    it stands between tildes."""

    coloured: bool
    signs: Signs
    plain: Style
    dim: Style
    bold: Style
    asked: Style
    struck: Style
    title: Style
    key: Style
    warn: Style
    bad: Style
    who: Mapping[Who, Style]
    phase: Mapping[Phase, Style]
    stage: Mapping[str, Style]
    blocks: Mapping[str, str]
    """What a stage's bar is made of."""


@lru_cache(maxsize=4)
def theme(*, coloured: bool, unicode: bool = True) -> Theme:
    """unicode: the terminal shows more than ASCII."""
    signs = Signs() if unicode else ASCII
    dim, bold, plain = Style.parse("dim"), Style.parse("bold"), Style.null()

    def hue(text: str) -> Style:
        """A style that keeps no more than its weight where there are no colours."""
        style = Style.parse(text)
        return style if coloured else style.without_color

    accent, trouble, thinks = hue("bold cyan"), hue("bold red"), hue("yellow")
    return Theme(
        coloured=coloured,
        signs=signs,
        plain=plain,
        dim=dim,
        bold=bold,
        asked=Style.parse("reverse"),
        struck=hue("strike red"),
        title=accent,
        key=accent,
        warn=thinks if coloured else bold,
        bad=trouble,
        who={
            Who.CALLER: accent,
            Who.AGENT: hue("bold green"),
            Who.TOOL: hue("magenta") if coloured else bold,
            Who.NOTE: dim,
            Who.TROUBLE: trouble,
        },
        phase={
            Phase.DIALLING: thinks,
            Phase.RINGING: thinks,
            Phase.CONNECTING: thinks,
            Phase.LISTENING: dim,
            Phase.CALLER: hue("cyan"),
            Phase.THINKING: thinks,
            Phase.TOOL: hue("magenta"),
            Phase.SPEAKING: hue("green"),
            Phase.HELD: thinks,
            Phase.TRANSFER: hue("magenta"),
            Phase.ENDING: hue("red"),
            Phase.OVER: dim,
        },
        stage=dict(zip(STAGES, map(hue, ("blue", "cyan", "magenta", "white", "green", "yellow")), strict=True)),
        blocks=dict(zip(STAGES, signs.block * len(STAGES) if coloured else signs.blocks, strict=True)),
    )
