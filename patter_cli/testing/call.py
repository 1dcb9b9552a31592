"""VirtualCall: one call from ring to end, scripted, run, and looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from patter_cli.core import commands as order
from patter_cli.core import events as fact
from patter_cli.core.carrier_events import DialRequested, DtmfFailed, DtmfSent
from patter_cli.core.conversation import Message
from patter_cli.core.events import Event, Ms
from patter_cli.core.floor import AgentState, CallerState, CallState
from patter_cli.core.journal import render_entry
from patter_cli.core.machine import TurnMachine
from patter_cli.core.outcome import Direction, Outcome, TransferOutcome
from patter_cli.core.plan import CallPlan, SystemPhrases
from patter_cli.core.playback import heard_prefix
from patter_cli.testing.brain import Brain, Script, VirtualTool, sentences
from patter_cli.testing.ears import Ears
from patter_cli.testing.engine import VirtualEngine
from patter_cli.testing.far_end import Exchange, FarEnd
from patter_cli.testing.line import Line, Sound
from patter_cli.testing.speech_peer import SpeechPeer
from patter_cli.testing.world import Fault, Latency, World

WALL_TIME = 1_750_000_000.0
"""Unix time of every virtual call's start."""

Kind = TypeVar("Kind")


class VirtualCall:
    """One call from ring to end. Script the caller, run, and look at what was heard, said and ordered."""

    def __init__(
        self,
        plan: CallPlan,
        answer: Script = ("All right.",),
        *,
        prepared: CallPlan | None = None,
        judge: Callable[[str, str], str | None] = lambda rule, text: None,
        latency: Latency | None = None,
        faults: Sequence[Fault] = (),
        transfer: TransferOutcome = TransferOutcome.CONNECTED,
        keys_work: bool = True,
        tools: Mapping[str, VirtualTool] | None = None,
        end_of_turn: Callable[[str], float] | None = None,
        engine: SpeechPeer | None = None,
        far_end: FarEnd | None = None,
    ) -> None:
        """plan: as on_call_start finds it; prepared: as it leaves it. answer: the agent's replies in turn, the last
        one for ever, or a function of the caller's words. judge: (rule, clause) to a replacement or None.
        end_of_turn: the words so far to how likely the caller has finished. engine: who answers in place of `answer`,
        where the plan has an engine. far_end: whom an outbound call rings; None: the call is inbound. transfer: what
        becomes of one. keys_work: the carrier presses keys.
        """
        self.machine = TurnMachine()
        self.log: list[tuple[Ms, Event, tuple[order.Command, ...]]] = []
        """Every event with its time and what it led to: the journal, not yet rendered."""
        self._plan, self._prepared = plan, prepared or plan
        self._judge = judge
        self._transfer = transfer
        self._keys_work = keys_work
        self._end_of_turn = end_of_turn
        self._rings: list[tuple[Ms, Ms]] = []
        self._over: Ms | None = None
        self._world = World(self.tell, latency or Latency(), faults)
        self._ears = Ears(self._world)
        self._brain = Brain(self._world, answer, tools or {})
        self._line = Line(self._world, _stock(plan.lines) | _stock(self._prepared.lines))
        self._engine: VirtualEngine | None = None
        if engine is not None:
            self._engine = VirtualEngine(self._world, self._line, engine, lambda: self.machine.plan)
        connected = fact.CallConnected(
            call_id="virtual", caller="+15550100", callee="+15550101", direction=Direction.INBOUND, carrier="virtual",
            plan=plan, wall_time=WALL_TIME,
        )  # fmt: skip
        self._exchange: Exchange | None = None
        if far_end is None:
            self._world.at(0, lambda: self.tell(connected))
        else:
            self._exchange = Exchange(self._world, far_end, replace(connected, direction=Direction.OUTBOUND))
            dial = DialRequested(
                call_id="virtual", caller="+15550100", callee="+15550101", carrier="virtual", plan=plan,
                ring_timeout_ms=far_end.ring_timeout_ms, wall_time=WALL_TIME,
            )  # fmt: skip
            self._world.at(0, lambda: self.tell(dial))
        if Fault.EARS_FAIL in self.faults:
            self._world.at(1000, lambda: self.tell(fact.ListenFailed(provider="virtual", message="gone")))

    @property
    def now(self) -> Ms:
        return self._world.now

    @property
    def faults(self) -> set[Fault]:
        """What is broken now; it may be changed while the call goes on."""
        return self._world.faults

    @property
    def sounds(self) -> list[Sound]:
        """What was audible, in order."""
        return self._line.sounds

    # --- the script --------------------------------------------------------------------------------------------

    def says(self, text: str, at: Ms | None = None, *, lasts_ms: int | None = None) -> Ms:
        """The caller says this, from `at` (now) on, evenly over lasts_ms. Returns when they will be done."""
        start = max(self.now, self.now if at is None else at)
        length_ms = lasts_ms if lasts_ms is not None else max(150, len(text) * self._world.latency.ms_per_char)
        utterance = self._ears.hear(text, start, length_ms)
        if self._engine is not None:
            self._engine.hears(utterance, self._world.latency.onset_ms)
        return utterance.end

    def makes_noise(self, at: Ms | None = None, *, lasts_ms: int) -> Ms:
        """Something that the detector takes for a voice and that has no words: a cough, a dog, an echo."""
        return self.says("", at, lasts_ms=lasts_ms)

    def presses(self, keys: str, at: Ms | None = None, *, every_ms: int = 200) -> None:
        """The caller presses these keys, one every every_ms."""
        self._ears.press(keys, self.now if at is None else at, every_ms)

    def tells(self, event: Event, at: Ms | None = None) -> None:
        """Anything else happens: a drain, a line that closes, a fact out of order."""
        self._world.at(self.now if at is None else at, lambda: self.tell(event))

    def breaks(self, fault: Fault, at: Ms | None = None) -> None:
        self._world.at(self.now if at is None else at, lambda: self.faults.add(fault))

    def mends(self, fault: Fault, at: Ms | None = None) -> None:
        self._world.at(self.now if at is None else at, lambda: self.faults.discard(fault))

    # --- running it ----------------------------------------------------------------------------------------------

    def run_until(self, ms: Ms) -> None:
        """Let call time pass up to `ms`, or to the end of the call."""
        while not self.machine.ended:
            at = self._world.next(self.machine.next_deadline())
            if at is None or at > ms:
                break
            self._world.step(at)
        self._world.now = max(self.now, ms)

    def run(self, limit_ms: Ms = 4_000_000) -> None:
        """Let the call go on to its end. Raises AssertionError if it has none before limit_ms."""
        while not self.machine.ended:
            at = self._world.next(self.machine.next_deadline())
            if at is None or at > limit_ms:
                raise AssertionError(f"the call never ends: {self.machine.states} at {self.now} ms")
            self._world.step(at)

    def run_until_idle(self) -> None:
        """Let the call go on until all that was scripted has happened and the agent waits, or to its end."""
        waiting = (CallState.ACTIVE, CallerState.SILENT, AgentState.IDLE)
        while not self.machine.ended:
            at = self._world.next(self.machine.next_deadline())
            if at is None or (self.machine.states == waiting and self._world.idle):
                break
            self._world.step(at)

    # --- what came of it -------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        return self.machine.ended

    @property
    def history(self) -> tuple[Message, ...]:
        return self.machine.history

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """(role, text) in the order in which they were reported."""
        return [(each.role, each.text) for _, each in self.orders(order.ReportTranscript)]

    @property
    def heard(self) -> str:
        """Every word of the agent's that reached the caller's ear to its last letter, in order."""
        reach: dict[tuple[int, int], Sound] = {}
        for sound in self.sounds:
            key = (sound.response_id, sound.clause)
            if key not in reach or sound.played_ms > reach[key].played_ms:
                reach[key] = sound
        parts = (heard_prefix(each.text, each.played_ms, each.duration_ms) for each in reach.values())
        return " ".join(part for part in parts if part)

    @property
    def outcome(self) -> tuple[Outcome, str]:
        """(outcome, reason) of the call's end. Raises IndexError while it goes on."""
        _, finish = self.orders(order.FinishCall)[-1]
        return finish.outcome, finish.reason

    @property
    def journal(self) -> str:
        """The call as the store would write it."""
        return "".join(render_entry(at, event, ordered) + "\n" for at, event, ordered in self.log)

    def orders(self, kind: type[Kind]) -> list[tuple[Ms, Kind]]:
        """All commands of one kind with their times."""
        return [(at, each) for at, _, ordered in self.log for each in ordered if isinstance(each, kind)]

    def facts(self, kind: type[Kind]) -> list[tuple[Ms, Kind]]:
        """All events of one kind with their times."""
        return [(at, event) for at, event, _ in self.log if isinstance(event, kind)]

    def longest_wait(self) -> tuple[int, Ms]:
        """(length, start) of the longest silence in which it was the agent's turn to be heard, in ms.

        That is silence before a greeting, once there is a line, after the caller's words or keys, or after a sound of
        the agent's that was not the end of a whole reply. A caller who has been answered and says nothing makes no
        such silence; a noise of theirs breaks one, and does not change whose turn it is. A transfer is heard to ring,
        and whoever was told by a filler to wait knows why nothing is heard: see longest_announced_wait.
        """
        greets = bool(self._prepared.first_message)
        stretches: list[tuple[Ms, Ms, bool | None]] = [(at, at, True) for at in self._ears.keys]
        stretches += [(each.start, each.end, bool(each.words) or None) for each in self._ears.utterances]
        stretches += [
            (each.start, each.end, not self._is_last(each) and not self._is_filler(each)) for each in self.sounds
        ]
        stretches += [(start, end, False) for start, end in self._rings]
        over = self.now if self._over is None else self._over
        answered = self.facts(fact.CallConnected)
        quiet_from = answered[0][0] if answered else over
        longest, turn_end, owed = (0, quiet_from), quiet_from, greets
        for start, end, owes in sorted((each for each in stretches if each[0] < over), key=lambda each: each[:2]):
            if owed and start - quiet_from > longest[0]:
                longest = (start - quiet_from, quiet_from)
            quiet_from = max(quiet_from, end)
            if owes is not None and end >= turn_end:
                turn_end, owed = end, owes
        if owed and over - quiet_from > longest[0]:
            longest = (over - quiet_from, quiet_from)
        return longest

    def longest_announced_wait(self) -> Ms:
        """The longest silence after a filler, up to the agent's next sound or the caller's, in ms."""
        begins = sorted([each.start for each in self.sounds] + [each.start for each in self._ears.utterances])
        over = self.now if self._over is None else self._over
        ends = [each.end for each in self.sounds if self._is_filler(each) and each.end < over]
        return max((next((at for at in begins if at >= end), over) - end for end in ends), default=0)

    def _is_filler(self, sound: Sound) -> bool:
        """Somebody was told to wait."""
        lines = self.machine.plan.lines
        return sound.text in (lines.filler, lines.still_working)

    def _is_last(self, sound: Sound) -> bool:
        """This sound is the end of a reply that came whole."""
        reply = sound.response_id
        whole = reply in self._brain.whole and sound.clause == self._line.last_clause[reply]
        return whole and sound.played_ms >= sound.duration_ms

    # --- what the world does ---------------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Hand the machine an event now and carry out what it orders."""
        ordered = tuple(self.machine.handle(event, self.now))
        self.log.append((self.now, event, ordered))
        if isinstance(event, fact.ResponseFinished) and self._engine is not None:
            self._brain.whole.add(event.response_id)
        for each in ordered:
            self._perform(each)
        if isinstance(event, fact.LineClosed):
            self._line.silence()
            self._ends()

    def _ends(self) -> None:
        """From now on the caller hears nothing, whatever the machine still does."""
        self._over = self.now if self._over is None else self._over

    def _perform(self, command: order.Command) -> None:
        wait = self._world.latency
        if self._engine is not None and self._engine.perform(command):
            return
        match command:
            case order.PlaceCall():
                if self._exchange is not None:
                    self._exchange.place()
            case order.PrepareCall() if Fault.HOOK_HANGS not in self.faults:
                self._world.after(wait.hook_ms, fact.prepared(self._plan, self._prepared))
            case order.FinalizeTranscript():
                self._ears.finalize()
            case order.CommitTranscript():
                self._ears.commit()
            case order.StartResponse(response_id=reply, text=text) | order.DraftResponse(response_id=reply, text=text):
                self._brain.think(reply, text)
            case order.ContinueResponse(response_id=reply):
                self._brain.think(reply, "")
            case order.RunTool(response_id=reply, tool_call_id=tool_call_id, name=name):
                self._brain.run_tool(reply, tool_call_id, name)
            case order.PredictEndOfTurn(segment=segment):
                if self._end_of_turn is not None:
                    likely = self._end_of_turn(self._ears.words(self.now))
                    self._world.after(wait.end_of_turn_ms, fact.EndOfTurnPredicted(segment=segment, probability=likely))
            case order.ReadOut(response_id=reply, text=text):
                self._brain.read_out(reply, text)
            case order.CancelResponse(response_id=reply):
                self._brain.cancel(reply)
                self._line.cancel(reply)
            case order.JudgeClause(response_id=reply, clause=clause, rule=rule, text=text):
                if Fault.JUDGE_HANGS not in self.faults:
                    verdict = self._judge(rule, text)
                    judged = fact.ClauseJudged(response_id=reply, clause=clause, rule=rule, replacement=verdict)
                    self._world.after(wait.judge_ms, judged)
            case order.Speak(response_id=reply, clause=clause, text=text, overtakes=True):
                self._line.overtake(reply, clause, text)
            case order.Speak(response_id=reply, clause=clause, text=text):
                self._line.speak(reply, clause, text)
            case order.PausePlayback(response_id=reply):
                self._line.stop(reply, forget=False)
            case order.ClearPlayback(response_id=reply):
                self._line.stop(reply, forget=True)
            case order.ResumePlayback():
                self._line.resume()
            case order.Transfer():
                self._rings.append((self.now, self.now + wait.transfer_ms))
                connected = self._transfer is TransferOutcome.CONNECTED
                missed = fact.TransferFailed(message="", outcome=self._transfer)
                self._world.after(wait.transfer_ms, fact.TransferFinished() if connected else missed)
            case order.SendDtmf(response_id=reply, tool_call_id=tool_call_id):
                sent = DtmfSent(response_id=reply, tool_call_id=tool_call_id)
                failed = DtmfFailed(response_id=reply, tool_call_id=tool_call_id, message="refused")
                self._world.after(wait.keys_ms, sent if self._keys_work else failed)
            case order.HangUp() if self._exchange is not None and self._exchange.hang_up():
                self._ends()
            case order.HangUp():
                self._ends()
                if Fault.NO_HANG_UP not in self.faults:
                    self._world.after(wait.hang_up_ms, fact.LineClosed(cause="carrier_stop"))
            case order.FinishCall():
                self._line.silence()
                self._ends()


def _stock(lines: SystemPhrases) -> set[str]:
    """What is prepared ahead of time: the lines, as they are cut into clauses."""
    return {clause for text in lines.texts() for clause in (text, *sentences(text))}
