"""opt_out: who asks for no more calls gets none, and nobody else loses any."""

from __future__ import annotations

from pathlib import Path

import pytest

from patter_cli import Agent, InputError, ToolContext, opt_out, wiring
from patter_cli.engine.hooks import Hooks
from patter_cli.providers.rules import RulesLLM
from patter_cli.settings import Settings

OURS, THEIRS = "+12025550100", "+12125550142"


def told(path: Path, **call: str) -> None:
    """The tool as an agent's call runs it."""
    agent = Agent("Sell.", llm=RulesLLM(lambda turn: "Hm."), tools=[opt_out])
    ready = wiring.ready_agent("sales", agent, Hooks(), Settings(do_not_call=path))
    answer = ready.tools["opt_out"].bind({}, ToolContext(call_id="C1", **call))()
    assert "never called again" in answer


@pytest.mark.parametrize(
    "call",
    [
        {"caller": OURS, "callee": THEIRS, "direction": "outbound"},
        {"caller": THEIRS, "callee": OURS, "direction": "inbound"},
    ],
)
def test_it_is_the_other_side_that_is_called_no_more(call: dict[str, str], tmp_path: Path) -> None:
    """Whoever rang whom; the rules of this user's servers know it from then on, and the file says on which call."""
    path = tmp_path / "list"
    told(path, **call)
    rules = wiring.dial_rules(Settings(do_not_call=path))
    assert rules.do_not_call is not None
    assert rules.do_not_call.numbers() == {THEIRS}
    assert "asked on call C1" in path.read_text()


def test_a_withheld_number_cannot_be_written_down(tmp_path: Path) -> None:
    """The model is told that it failed, and nothing is made."""
    with pytest.raises(InputError):
        told(tmp_path / "list", caller="", callee=OURS, direction="inbound")
    assert not (tmp_path / "list").exists()


def test_outside_of_a_call_it_does_nothing() -> None:
    """Called by hand it says where it belongs."""
    with pytest.raises(InputError, match="on a call only"):
        opt_out({}, ToolContext(call_id="", caller="", callee=""))
