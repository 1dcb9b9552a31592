"""A speech-to-speech vendor may send anything: the call goes on, ends once, and nobody hears what has no floor.

`python -m tests.fuzz.test_engine_events 5000` holds more calls; a second number is the first seed.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import replace
from random import Random

import numpy as np

from patter_cli.contracts import s2s
from patter_cli.contracts.s2s import EngineEvent
from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.plan import BlockedTerms, CallPlan, EnginePlan, PlannedTool
from patter_cli.errors import Unavailable
from patter_cli.testing import PeerFault, SpeechPeer, VirtualCall, VirtualTool
from patter_cli.testing.speech_peer import TURNS_OURS, TURNS_THEIRS
from tests.fuzz.test_event_orders import SAYINGS, TEXTS, claim

CALLS = 400
PLAN = CallPlan(
    agent="fuzz",
    system_prompt="",
    tools=(PlannedTool(name="book", timeout_ms=4000),),
    transfer_numbers=("+3",),
    blocked=(BlockedTerms(name="b", terms=("two", "red car"), replacement="No."),),
)
NAMES = ("a", "b", "c")
ITEMS = ("", "x", "y")
TOOLS = (("book", "{}"), ("book", "{"), ("end_call", ""), ("transfer_call", '{"number": "+3"}'), ("other", "null"))


def anything(random: Random, calls: int) -> EngineEvent:
    """One message, of a few replies and items, so that they meet."""
    reply, item = random.choice(NAMES), random.choice(ITEMS)
    samples = np.ones(random.choice((0, 1, 37, 800, 8000)), np.int16)
    name, arguments = random.choice(TOOLS)
    kinds: tuple[EngineEvent, ...] = (
        s2s.ReplyOpened(reply=reply, asked=random.choice((None, 1, 2, 3))),
        s2s.ReplyOpened(reply=reply),
        *(s2s.ReplyAudio(reply=reply, item=item, samples=samples),) * 4,
        *(s2s.ReplyWords(reply=reply, item=item, text=f" {random.choice(TEXTS)}", over=random.random() < 0.3),) * 2,
        s2s.ReplyWordTimes(reply=reply, item=item, starts_ms=(0, 300), ends_ms=(random.randrange(400),)),
        s2s.ItemVoiced(reply=reply, item=item),
        s2s.ToolCalled(reply=reply, call=f"call{calls}", name=name, arguments=arguments),
        s2s.ReplyUsed(reply=reply, model="m", input_tokens=1, output_tokens=1),
        s2s.ReplyFinished(reply=reply, failed=random.choice(("", "", "", "server_error"))),
        s2s.ReplyInterrupted(reply=reply),
        s2s.TurnTaken(item=random.choice(ITEMS)),
        s2s.CallerWords(item=random.choice(ITEMS), text=random.choice(TEXTS), final=random.random() < 0.7),
    )
    return random.choice(kinds)


def wild_call(seed: int) -> VirtualCall:
    """A call of half a minute with a vendor that makes no sense. Raises AssertionError, with the seed."""
    random = Random(seed)
    theirs = random.random() < 0.5
    plan = replace(PLAN, engine=EnginePlan(server_turns=theirs, truncates=not theirs))
    plan = replace(plan, blocked=plan.blocked if random.random() < 0.5 else ())
    if random.random() < 0.5:
        plan = replace(plan, first_message="Hello there.")
    peer = SpeechPeer(abilities=TURNS_THEIRS if theirs else TURNS_OURS, faults=[PeerFault.HANGS])
    call = VirtualCall(plan, engine=peer, tools={"book": VirtualTool("{}", random.choice((50, 2500, None)))})
    called: Counter[str] = Counter()
    try:
        for number in range(random.randrange(4)):
            call.says(random.choice(SAYINGS), 1500 + 7000 * number + random.randrange(3000))
        while call.now < 30_000 and not call.ended:
            call.run_until(call.now + random.choice((1, 1, 20, 20, 60, 300, 900, 3000)))
            session = peer.sessions[-1] if peer.sessions else None
            if session is None or call.ended:
                continue
            for _ in range(random.choice((1, 1, 1, 5))):
                event = anything(random, sum(called.values()))
                if isinstance(event, s2s.ToolCalled):
                    called[event.call] += 1
                session.send(event)
            if random.random() < 0.01:
                session.send(Unavailable("gone", provider="scripted"))
            elif random.random() < 0.005:
                session.send(s2s.EngineLeft())
        call.tells(fact.DrainRequested())
        call.run(400_000)
        check(call, peer)
    except Exception as error:
        raise AssertionError(f"wild_call({seed}): {error!r}") from error
    return call


def check(call: VirtualCall, peer: SpeechPeer) -> None:
    """What holds whatever came."""
    accepted = {each.response_id for _, each in call.orders(order.AcceptReply)}
    ours = {each.response_id for _, each in call.orders(order.Speak)}
    claim({each.response_id for each in call.sounds} <= accepted | ours, "sound of a reply that has no number")
    claim(len(call.orders(order.FinishCall)) == 1, "no end, or two")
    opened = [each.vendor_id for _, each in call.facts(fact.SpeechResponseOpened)]
    claim(len(set(opened)) == len(opened), "two replies are called the same")
    muted: dict[int, int] = {each.response_id: at for at, each in call.orders(order.MuteReply)}
    for each in call.sounds:
        claim(each.start <= muted.get(each.response_id, each.start), "sound of a muted reply")
    ends = [each.end for each in call.sounds]
    starts = [each.start for each in call.sounds]
    claim(all(end <= start for end, start in zip(ends, starts[1:], strict=False)), "two sounds at once")


def test_a_vendor_may_send_anything() -> None:
    """Nothing raises, calls end once, each tool call is answered once at most, and only what has a number is heard."""
    for seed in range(CALLS):
        wild_call(seed)


def main(calls: int, first: int = 0) -> None:
    began = time.perf_counter()
    for seed in range(first, first + calls):
        wild_call(seed)
    print(f"{calls} calls: no claim broken, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
