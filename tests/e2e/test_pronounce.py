"""An agent that is told how to say a name: it is heard so, and written as it is everywhere else."""

from __future__ import annotations

from patter_cli.engine.hooks import Hooks
from tests.e2e.conftest import SENTENCES, Caller, agent, answering


async def test_a_name_is_heard_as_told_and_remembered_as_written() -> None:
    """In the greeting, which is voiced ahead of time, and in a reply; transcript and clauses have the written form."""
    told = agent("Nguyen speaking.", pronounce={"Nguyen": "win"})
    async with (
        answering({"a": (told, Hooks(on_message=lambda event: "This is Nguyen again."))}) as phone,
        Caller(phone, "a") as caller,
    ):
        await caller.until_heard("win speaking.")
        await caller.say(SENTENCES[0])
        await caller.until_heard("this is win again.")
        await caller.until(lambda: ("assistant", "This is Nguyen again.") in caller.transcript(), 5)
    assert ("assistant", "Nguyen speaking.") in caller.transcript()
    assert "nguyen" not in caller.ear.text
