"""patter explain: why a turn of a stored call was slow, found by running the journal again without the cause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from patter_cli.cli.logs import AsJson, Named
from patter_cli.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from patter_cli.cli.ink import Ink
    from patter_cli.observe.explain import ExplainedTurn

EXAMPLES = "Examples: patter explain last · patter explain last 3 · patter explain C20261128 --json"


def explain(
    settings: Settings,
    call: Named,
    turn: Annotated[
        int | None,
        typer.Argument(metavar="[TURN]", help="A turn's number, as patter logs show has it.", show_default="all"),
    ] = None,
    json: AsJson = False,
) -> None:
    """Say what made the turns of a call slow, and the one setting that would change it.

    Whatever took longer than usual is taken away, and the turn is run again on virtual time: what the caller then
    would not have waited is what it cost. --json: {call_id, turns: [{number, words, waited_ms, causes: [{stage, why,
    setting, excess_ms, gives_back_ms}], exact}], unreadable}; stage is endpointing, stt, llm, clause, guardrail, tool,
    tts, handover or loop; exact is false where today's engine decides otherwise and gives_back_ms is an estimate.
    """
    from patter_cli.cli.explaining import explain_call
    from patter_cli.kept_calls import kept_calls
    from patter_cli.text.printable import printable_json

    explained = explain_call(kept_calls(settings), call, turn)
    if json:
        facts = {
            "call_id": explained.call_id,
            "turns": [each.render() for each in explained.turns],
            "unreadable": explained.unreadable,
        }
        print(printable_json(facts))
        return
    from patter_cli.cli.ink import ink

    print("\n".join(_lines(explained.call_id, explained.turns, ink(no_color=settings.no_color))))


def _lines(call_id: str, turns: Sequence[ExplainedTurn], ink: Ink) -> Iterator[str]:
    from patter_cli.cli.ink import cut
    from patter_cli.text.printable import printable

    slow = [each for each in turns if each.causes]
    for each in slow:
        room = 60 if ink.width is None else max(20, ink.width - 30)
        words = cut(printable(each.words), room)
        yield ink.bold(f"turn {each.number}") + f'  waited {each.waited_ms} ms  "{words}"'
        for cause in each.causes:
            about = "" if each.exact else "about "
            yield f"  {ink.red(f'{cause.stage:<12}')}{printable(cause.why)}"
            setting = ink.bold(printable(cause.setting))
            yield f"  {'':<12}without that: {about}{cause.gives_back_ms} ms less; change {setting}"
        if not each.exact:
            yield ink.dim("  the engine of today does not decide as the one that held this call: these are estimates")
    if not turns:
        yield f"no turn of call {call_id} was answered aloud"
    elif not slow:
        many = "its only turn took no" if len(turns) == 1 else f"none of its {len(turns)} turns took"
        yield f"nothing made call {call_id} slow: {many} longer than usual"
    elif len(turns) > len(slow):
        yield ink.dim(f"the other {len(turns) - len(slow)} turns were as quick as usual")
