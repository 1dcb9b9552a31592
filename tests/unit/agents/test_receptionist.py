"""The receptionist without a language model: what it understands, what it books, and that it books it once."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from patter_cli.agent import Interrupt, Say, fill
from patter_cli.cli.discovery import load_agent
from patter_cli.simulate.scenario import load_scenario
from patter_cli.simulate.score import has_words

ROOT = Path(__file__).parents[3]
MONDAY = dt.datetime(2031, 5, 5, 10, 10)


@dataclass
class Turn:
    """What `on_message` gets, with a memory of what it did to the call."""

    text: str
    call_id: str = "call"
    caller: str = "+12025550199"
    callee: str = "+12025550142"
    history: list[Any] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def end_call(self) -> None:
        self.done.append("ended")

    def transfer_call(self, number: str) -> None:
        self.done.append(f"transferred {number}")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The agent's module, on a Monday morning, with an empty calendar of its own."""
    loaded = load_agent("receptionist", ROOT)
    module = sys.modules[loaded.hooks["on_message"].__module__]
    monkeypatch.setenv("PATTER_CALENDAR", str(tmp_path / "calendar.json"))
    monkeypatch.setattr(module, "now", lambda: MONDAY)
    return module


@pytest.fixture
def say(desk: ModuleType) -> Callable[..., str]:
    """Hold a conversation; returns the last reply, followed by what became of the call."""

    def talk(*turns: str, call_id: str = "call") -> str:
        return asyncio.run(converse(desk, turns, call_id))

    return talk


async def converse(desk: ModuleType, turns: tuple[str, ...], call_id: str) -> str:
    reply = ""
    for text in turns:
        turn = Turn(text, call_id)
        pieces: AsyncIterator[str] = desk.on_message(turn)
        reply = "".join([piece async for piece in pieces]) + "; ".join(turn.done)
    return reply


def appointments(desk: ModuleType) -> dict[str, dict[str, str]]:
    with desk.calendar() as book:
        return dict(book["appointments"])


OPENINGS = [
    ("What are your opening hours?", "nine until five thirty"),
    ("when are you open", "Saturday from nine"),
    ("What time do you close?", "five thirty"),
    ("Are you open on Saturday?", "Saturday from nine until one"),
    ("Are you open on Sunday?", "closed on Sundays"),
    ("Are you closed to-morrow?", "nine until five thirty"),
    ("Where are you?", "fourteen Mill Lane"),
    ("Where exactly is the practice?", "fourteen Mill Lane"),
    ("What's your address?", "fourteen Mill Lane"),
    ("How do I get to you?", "fourteen Mill Lane"),
    ("Can you give me directions, please?", "library"),
    ("Which bus do I take?", "number nine bus"),
    ("Where can I park?", "free parking"),
    ("Is there parking?", "free parking"),
    ("How much is a check-up?", "sixty dollars"),
    ("How much is a checkup", "sixty dollars"),
    ("What does a cleaning cost?", "eighty dollars"),
    ("how much is it for a clean", "eighty dollars"),
    ("What's the price of a filling?", "one hundred and fifty"),
    ("How much do you charge for a crown?", "nine hundred"),
    ("And how much is whitening?", "two hundred and fifty"),
    ("How much to get my teeth whiter?", "two hundred and fifty"),
    ("What is the fee for an emergency visit?", "ninety five"),
    ("What are your prices?", "A check-up is sixty"),
    ("Do you take insurance?", "most dental insurance"),
    ("Is that covered by my dental plan?", "most dental insurance"),
    ("Can I pay by card?", "by card or in cash"),
    ("Are you taking new patients?", "welcome new patients"),
    ("Do you see children?", "age of three"),
    ("Which treatments do you do?", "crowns and whitening"),
    ("Does it hurt?", "numbs the tooth"),
    ("Will the filling hurt?", "numbs the tooth"),
    ("Are you a robot?", "automated assistant"),
    ("Am I talking to a real person?", "I am a computer"),
    ("Is this a human?", "I am a computer"),
    ("How are you?", "doing well"),
    ("Who is this?", "automated assistant"),
    ("Hello.", "How can I help you"),
    ("Good morning!", "How can I help you"),
    ("Thank you.", "You're welcome"),
    ("Can I speak to a human?", "transferred +12025550142"),
    ("I want to talk to somebody.", "transferred"),
    ("Put me through to the front desk.", "transferred"),
    ("Real person please", "transferred"),
    ("[DTMF: 0]", "transferred"),
    ("[DTMF: 1]", "nine until five thirty"),
    ("[DTMF: 2]", "What is it for"),
    ("[DTMF: 7]", "You can ask about"),
    ("I'd like to book an appointment.", "What is it for"),
    ("Can I come in to-morrow?", "What is it for"),
    ("Can I see the dentist?", "What is it for"),
    ("I need a cleaning.", "Which day"),
    ("Book me a check up.", "Which day"),
    ("I would like to book a claiming.", "Which day"),
    ("I have a terrible tooth thatch.", "emergency room"),
    ("King I leave a message.", "your name"),
    ("Is their parking?", "free parking"),
    ("I need a filling on Wednesday.", "What time suits you"),
    ("A cleaning on Wednesday at three thirty.", "May I have your name"),
    ("Do you have anything free on Sunday for a cleaning?", "closed on Sundays"),
    ("Cleaning today at nine", "has already passed"),
    ("A cleaning tomorrow at seven pm", "outside our hours"),
    ("A cleaning tomorrow at three fifteen", "between our appointments"),
    ("A cleaning tomorrow at three", "is taken. I have two thirty or three thirty"),
    ("A cleaning tomorrow morning", "Nine o'clock on Tuesday the 6th is free"),
    ("A cleaning tomorrow afternoon", "Twelve o'clock on Tuesday the 6th is free"),
    ("A cleaning on the twelfth of June at ten", "Ten o'clock on Thursday the 12th is free"),
    ("I have a terrible toothache.", "ten thirty today"),
    ("It's an emergency, I broke a tooth!", "emergency room"),
    ("My face is swollen", "emergency room"),
    ("Cancel my appointment.", "your name"),
    ("I need to reschedule.", "your name"),
    ("Can you move my appointment to Friday?", "your name"),
    ("Can I leave a message?", "your name"),
    ("Please call me back.", "your name"),
    ("Good-bye.", "Goodbye! ended"),
    ("Good by", "ended"),
    ("That's all, thanks.", "ended"),
    ("That is everything, thank you", "ended"),
    ("No, thank you.", "ended"),
    ("mill length", "didn't quite catch that. You can ask"),
    ("", "didn't quite catch that"),
    ("You", "didn't quite catch that"),
]


@pytest.mark.parametrize(("heard", "answer"), OPENINGS)
def test_a_first_sentence_is_understood(say: Callable[..., str], heard: str, answer: str) -> None:
    """What a caller may open with, as a recogniser writes it, gets the answer it is meant for."""
    assert answer in say(heard)


def test_a_booking_takes_reason_day_time_name_and_a_yes(desk: ModuleType, say: Callable[..., str]) -> None:
    """Slot by slot; nothing is booked before the yes."""
    said = ("I'd like an appointment", "a cleaning", "Wednesday", "3:30", "Anna Brown")
    assert "a cleaning for Anna Brown, at three thirty on Wednesday the 7th. Shall I book it?" in say(*said)
    assert appointments(desk) == {}
    assert say("Yes, please.").startswith("You are booked for three thirty on Wednesday the 7th.")
    assert appointments(desk) == {"2031-05-07T15:30": {"name": "Anna Brown", "reason": "cleaning"}}
    assert say("No.").endswith("ended")


def test_what_was_asked_about_is_what_is_booked(say: Callable[..., str]) -> None:
    """Who asks for a price and then for an appointment is not asked what it is for."""
    assert "Which day" in say("How much is a crown?", "I'd like to book that.")
    assert "a crown for Jo Lee" in say("Wednesday at ten, my name is Jo Lee")


def test_everything_may_come_in_one_sentence(say: Callable[..., str]) -> None:
    """Somebody who says it all is only asked to confirm."""
    reply = say("I'd like a check-up on Friday at ten a.m., my name is Jo Lee.")
    assert "a check-up for Jo Lee, at ten o'clock on Friday the 9th. Shall I book it?" in reply


@pytest.mark.parametrize(
    ("correction", "becomes"),
    [
        ("No, Thursday.", "at ten o'clock on Thursday the 8th"),
        ("No, at eleven.", "at eleven o'clock on Friday the 9th"),
        ("no three thirty", "at three thirty on Friday the 9th"),
        ("No, my name is Jo Li.", "for Jo Li, at ten"),
        ("Actually a filling.", "a filling for Jo Lee"),
        ("Make it Wednesday at three.", "three o'clock on Wednesday the 7th is taken"),
        ("No.", "What should I change"),
        ("The time is wrong", "What time suits you"),
        ("Wrong name", "your name"),
        ("Change the day", "Which day"),
        ("How much is that?", "sixty dollars. Shall I book it?"),
        ("Where do I park?", "on the left. Shall I book it?"),
        ("Say that again.", "a check-up for Jo Lee, at ten o'clock"),
        ("mumble", "didn't quite catch that. Shall I book it?"),
        ("Never mind.", "No problem."),
        ("Cancel.", "No problem."),
        ("Goodbye.", "Nothing is booked, then."),
    ],
)
def test_a_read_back_can_be_corrected(desk: ModuleType, say: Callable[..., str], correction: str, becomes: str) -> None:
    """A correction changes what it names and nothing else, and books nothing."""
    assert becomes in say("A check-up on Friday at ten a.m., my name is Jo Lee.", correction)
    assert appointments(desk) == {}


@pytest.mark.parametrize(
    ("choice", "becomes"),
    [
        ("The first one, please.", "Two thirty on Wednesday"),
        ("The second.", "Three thirty on Wednesday"),
        ("the later one", "Three thirty on Wednesday"),
        ("Either is fine.", "Two thirty on Wednesday"),
        ("to thirty", "Two thirty on Wednesday"),
        ("half past three", "Three thirty on Wednesday"),
        ("Four o'clock?", "Four o'clock on Wednesday"),
        ("How about Thursday at three thirty?", "Three thirty on Thursday"),
        ("No.", "Which day suits you?"),
    ],
)
def test_a_conflict_is_resolved(say: Callable[..., str], choice: str, becomes: str) -> None:
    """Of two times offered one is picked by its place, by its time, or another is asked for."""
    assert becomes in say("A cleaning on Wednesday at three.", choice)


def test_a_booked_time_is_not_offered_again(say: Callable[..., str]) -> None:
    """The next caller hears of the two nearest free times."""
    say("A cleaning on Wednesday at ten, my name is Jo Lee.", "yes", call_id="one")
    reply = say("A cleaning on Wednesday at ten, my name is Al Poe.", call_id="two")
    assert "is taken. I have nine thirty or ten thirty." in reply


def test_of_two_callers_one_gets_the_time(desk: ModuleType, say: Callable[..., str]) -> None:
    """Both were told it is free; the slower one is offered others when he says yes."""
    say("A cleaning on Wednesday at ten, my name is Jo Lee.", call_id="one")
    say("A filling on Wednesday at ten, my name is Al Poe.", call_id="two")
    assert "You are booked" in say("Yes.", call_id="one")
    assert "is taken. I have nine thirty or ten thirty." in say("Yes.", call_id="two")
    assert [entry["name"] for entry in appointments(desk).values()] == ["Jo Lee"]
    assert "at nine thirty on Wednesday the 7th. Shall I book it?" in say("The first.", call_id="two")
    assert "You are booked for nine thirty" in say("Yes.", call_id="two")


def test_threads_cannot_book_one_time_twice(desk: ModuleType) -> None:
    """Eight at once: one wins, and no other entry is lost."""
    start = dt.datetime(2031, 5, 7, 10)
    with ThreadPoolExecutor(8) as pool:
        same = list(pool.map(lambda number: desk.reserve(start, f"N{number}", "crown"), range(8)))
        others = [start + dt.timedelta(minutes=30 * number) for number in range(1, 9)]
        assert all(pool.map(lambda when: desk.reserve(when, "N", "crown"), others))
    assert same.count(True) == 1
    assert len(appointments(desk)) == 1 + len(others)


def test_processes_cannot_book_one_time_twice(desk: ModuleType) -> None:
    """Two servers on one machine share the calendar file."""
    script = (
        "import sys, datetime as dt; from pathlib import Path; from patter_cli.cli.discovery import load_agent\n"
        f"hooks = load_agent('receptionist', Path({str(ROOT)!r})).hooks\n"
        "desk = sys.modules[hooks['on_message'].__module__]; desk.now = lambda: dt.datetime(2031, 5, 5, 10)\n"
        "print([desk.reserve(dt.datetime(2031, 5, 7, 9) + dt.timedelta(minutes=30 * n), sys.argv[1], 'crown')"
        " for n in range(12)].count(True))"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", script, name], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for name in ("one", "two")
    ]
    booked = [int(run.communicate(timeout=60)[0]) for run in runs]
    assert sum(booked) == len(appointments(desk)) == 12


def test_an_interruption_leaves_the_booking_made_once(desk: ModuleType, say: Callable[..., str]) -> None:
    """Cut off in the middle of "You are booked", it is booked; another yes books nothing more."""
    say("A cleaning on Wednesday at ten, my name is Jo Lee.")

    async def interrupted() -> str:
        pieces = desk.on_message(Turn("Yes."))
        first = await anext(pieces)
        await pieces.aclose()
        return str(first)

    assert "You are booked" in asyncio.run(interrupted())
    assert len(appointments(desk)) == 1
    assert "What can I do for you" in say("Yes.")
    assert len(appointments(desk)) == 1


def test_an_interrupted_goodbye_does_not_end_the_call(desk: ModuleType) -> None:
    """Who speaks into the farewell wants something."""
    turn = Turn("Goodbye.")

    async def interrupted() -> None:
        pieces = desk.on_message(turn)
        await anext(pieces)
        await pieces.aclose()

    asyncio.run(interrupted())
    assert turn.done == []


def test_an_appointment_is_cancelled_after_a_yes(desk: ModuleType, say: Callable[..., str]) -> None:
    """Found by a name that was nearly heard right; a no leaves it."""
    say("A cleaning on Wednesday at ten, my name is Anna Brown.", "yes", call_id="before")
    assert "a cleaning at ten o'clock on Wednesday the 7th. Shall I cancel" in say(
        "Cancel my appointment", "Ana Browne"
    )
    assert "stays as it is" in say("No.")
    assert len(appointments(desk)) == 1
    assert "It is cancelled" in say("Cancel my appointment", "Yes, cancel it.")
    assert appointments(desk) == {}
    assert "can't find an appointment for Anna Brown" in say("Cancel, my name is Anna Brown.", call_id="after")


def test_an_appointment_is_moved_in_one_step(desk: ModuleType, say: Callable[..., str]) -> None:
    """The old time is given up only when the new one is confirmed, and may overlap with nothing else."""
    say("A cleaning on Wednesday at ten, my name is Anna Brown.", "yes", call_id="before")
    assert "at eleven o'clock on Friday the 9th. Shall I" in say(
        "Move my appointment to Friday at eleven", "Anna Brown"
    )
    assert list(appointments(desk)) == ["2031-05-07T10:00"]
    say("Yes.")
    assert appointments(desk) == {"2031-05-09T11:00": {"name": "Anna Brown", "reason": "cleaning"}}


def test_pain_gets_the_next_time_also_the_one_kept_free(desk: ModuleType, say: Callable[..., str]) -> None:
    """The next slot today; three o'clock, closed to others, is open to an emergency."""
    assert "I can see you at ten thirty today" in say("My tooth hurts so much")
    assert "Three o'clock today is free" in say("No.", "Today at three")
    assert "You are booked for three o'clock today" in say("Sam Hill", "Yes.")
    assert appointments(desk) == {"2031-05-05T15:00": {"name": "Sam Hill", "reason": "emergency"}}


def test_pain_after_closing_time_gets_the_next_day(
    desk: ModuleType, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a Saturday evening the next time is on Monday."""
    monkeypatch.setattr(desk, "now", lambda: dt.datetime(2031, 5, 10, 20))
    assert "nine o'clock on Monday the 12th" in say("I'm in pain")


@pytest.mark.parametrize(
    ("number", "noted"),
    [("This number is fine", "+12025550199"), ("555-019-8824", "5550198824"), ("[DTMF: 5550198824]", "5550198824")],
)
def test_a_message_is_taken(desk: ModuleType, say: Callable[..., str], number: str, noted: str) -> None:
    """Name, words and number, spoken or pressed."""
    say("Can I leave a message?", "Ann Fox", "Tell the dentist I cancel nothing, bye the way.")
    assert "I have passed that on" in say(number)
    with desk.calendar() as book:
        (message,) = book["messages"]
    assert (message["name"], message["number"]) == ("Ann Fox", noted)
    assert message["text"].startswith("Tell the dentist")


def test_twice_unclear_offers_a_message(say: Callable[..., str]) -> None:
    """First a helpful question, then the offer; a no goes on where we were."""
    assert "Which day suits you" in say("I need a cleaning", "mumble")
    assert "Shall I take a message" in say("mumble mumble")
    assert say("No.") == "All right. Which day suits you? "
    assert "What time suits you" in say("Thursday")
    assert "your name" in say("mumble", "mumble", "yes")


def test_calls_know_nothing_of_each_other_and_are_forgotten(desk: ModuleType, say: Callable[..., str]) -> None:
    """State is by call, and goes when the call does."""
    say("I need a cleaning", call_id="one")
    assert "What is it for" in say("Book an appointment", call_id="two")
    for call_id in ("one", "two", "never there"):
        desk.on_call_end(Turn("", call_id))
    assert desk.calls == {}
    assert "You can ask about" in say("mumble", call_id="one")


def test_the_tools_say_what_a_model_needs(desk: ModuleType) -> None:
    """Every tool answers in a sentence, and refuses what cannot be."""
    tools = {tool.name: tool for tool in desk.agent.tools}
    assert all(tool.description for tool in tools.values())
    assert "eighty" in tools["prices"]("Cleaning")
    assert "A check-up" in tools["prices"]("unicorn")
    assert "nine o'clock or nine thirty" in tools["free_slots"]("Wednesday")
    assert tools["free_slots"]("Sunday") == tools["free_slots"]("someday") == "Nothing is free that day."
    book = tools["book_appointment"]
    assert book("Jo Lee", "2031-05-07", "15:30", "cleaning").startswith("Booked for Jo Lee, three thirty")
    assert "nearest are two thirty or four o'clock on Wednesday" in book("Al", "Wednesday", "3:30 pm", "a crown")
    assert (
        book("", "Wednesday", "3", "x")
        == book("Al", "", "3", "x")
        == "Not booked: ask for the name, the day and the time again."
    )
    assert tools["cancel_appointment"]("Jo Lee", "Friday") == "There is no appointment for Jo Lee."
    assert tools["cancel_appointment"]("Jo Lee", "Wednesday").startswith("Cancelled: three thirty")
    assert tools["take_message"]("Jo", "Hi", "1") == "Noted."
    assert "nine until five" in tools["opening_hours"]()


def test_the_prompt_is_complete(desk: ModuleType) -> None:
    """Every variable is filled, at load and anew for each call."""
    assert desk.agent.unknown_variables() == []
    today = desk.on_call_start(SimpleNamespace(carrier="twilio"))["variables"]
    assert "Today is Monday, May 05 2031." in fill(desk.agent.system_prompt, today)


def test_the_scenario_plays_on_any_day_and_many_times(
    desk: ModuleType, say: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its conflict is always met and always resolved, and each turn is answered as expected, up to the transfer."""
    scenario = load_scenario(ROOT / "agents" / "receptionist.toml")
    assert [human.number for human in scenario.humans] == [desk.FRONT_DESK]
    assert sum(isinstance(step.does, Interrupt) for step in scenario.steps) == 1
    steps = [step for step in scenario.steps if step.expect]
    turns = [step.does.text for step in steps if isinstance(step.does, Say | Interrupt)]
    assert len(turns) == len(steps) >= 6
    for days in range(8):
        monkeypatch.setattr(desk, "now", lambda days=days: MONDAY + dt.timedelta(days=days, hours=9))
        replies = [say(text, call_id=f"day {days}") for text in turns]
        assert any("is taken" in reply for reply in replies)
        assert any("You are booked" in reply for reply in replies)
        assert replies[-1].endswith(f"transferred {desk.FRONT_DESK}")
        for step, reply in zip(steps, replies, strict=True):
            assert all(has_words(reply, words) for words in step.expect if words != "on wednesday")
    assert len(appointments(desk)) == 8


def test_the_calendar_is_written_whole(desk: ModuleType, tmp_path: Path) -> None:
    """A failure inside the block leaves the file as it was, and lets go of the lock."""
    desk.reserve(dt.datetime(2031, 5, 7, 10), "Jo", "crown")

    def spoil() -> None:
        with desk.calendar() as book:
            book["appointments"].clear()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        spoil()
    assert list(json.loads((tmp_path / "calendar.json").read_text())["appointments"]) == ["2031-05-07T10:00"]
    assert len(appointments(desk)) == 1
