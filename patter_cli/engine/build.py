"""A call is put together: the one place that knows which parts it has and who is connected to whom."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from patter_cli.audio.frame import AudioFormat
from patter_cli.audio.pacer import Pacer
from patter_cli.audio.wire import wire_codec
from patter_cli.contracts.carrier.carrier import Carrier, OutboundCall
from patter_cli.contracts.carrier.control import CallControl
from patter_cli.contracts.carrier.stream import AudioLine
from patter_cli.contracts.s2s import EngineAbilities, EngineSetup, spoken_history
from patter_cli.core.events import EchoFound
from patter_cli.core.outcome import Direction
from patter_cli.engine.call import CallSession
from patter_cli.engine.call_tools import offered_tools
from patter_cli.engine.clock import CallAlarm
from patter_cli.engine.context import CallContext
from patter_cli.engine.converse import Converse
from patter_cli.engine.dialogue import chat_messages, told_prompt
from patter_cli.engine.echo_thread import THREAD
from patter_cli.engine.eou import EndOfTurnDetector
from patter_cli.engine.fanout import AudioFanout
from patter_cli.engine.filtering import filter_for_call
from patter_cli.engine.hold_music import HoldMusic
from patter_cli.engine.inbound import AudioSink, InboundPath, VadSource
from patter_cli.engine.line_parts import LineParts
from patter_cli.engine.listen import Listener
from patter_cli.engine.onlooking import Onlookers
from patter_cli.engine.outbound import OutboundPath
from patter_cli.engine.overheard import OverheardLine
from patter_cli.engine.perform_author import NOBODY_ELSE, AuthorPerformer
from patter_cli.engine.perform_carrier import Attend, CarrierPerformer
from patter_cli.engine.perform_cascade import AgentBrain, CascadePerformer, ModelBrain, go_on_line
from patter_cli.engine.perform_dial import DialPerformer
from patter_cli.engine.perform_media import MediaPerformer
from patter_cli.engine.playout_reference import PlayoutReference
from patter_cli.engine.ready import CallInfo, ReadyAgent
from patter_cli.engine.record import CallRecorder, Journal, Left, Measure, nobody_asks
from patter_cli.engine.screen import ScreeningEar
from patter_cli.engine.sound import CallSound
from patter_cli.engine.speak import Speaker, TtsCache
from patter_cli.engine.think import Brain, Thinker


def build_call(
    *,
    info: CallInfo,
    agent: ReadyAgent,
    format: AudioFormat,
    line: AudioLine,
    control: CallControl,
    vad: VadSource,
    cache: TtsCache,
    journal: Journal,
    measure: Measure,
    left: Left = nobody_asks,
    attend: Attend | None = None,
    others: Mapping[str, ReadyAgent] = NOBODY_ELSE,
    sound: CallSound | None = None,
    carrier_records: bool = True,
) -> CallSession:
    """One call on a line that speaks this format; `run` holds it. left: is told what was said, at its end. attend:
    makes transfers where whoever answers is told first. others: who may take the call over at its start. sound: our
    own recording of it. carrier_records: the carrier makes one too, where the plan says that calls are recorded."""
    call = CallContext(info, agent)
    author = AuthorPerformer(call, journal.settle, others)
    parts = build_line(
        call, author, format=format, line=line, control=control, vad=vad, cache=cache, attend=attend, sound=sound,
        carrier_records=carrier_records,
    )  # fmt: skip
    return CallSession(call, author=author, recorder=CallRecorder(call, journal, measure, left, sound), line=parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class DialParts:
    """A call that we make, and what its line is built around."""

    call: CallContext
    author: AuthorPerformer
    dial: DialPerformer
    session: CallSession
    sound: CallSound | None = None


def build_dialled_call(
    *,
    info: CallInfo,
    agent: ReadyAgent,
    carrier: Carrier,
    request: OutboundCall,
    journal: Journal,
    measure: Measure,
    left: Left = nobody_asks,
    others: Mapping[str, ReadyAgent] = NOBODY_ELSE,
    sound: CallSound | None = None,
) -> DialParts:
    """One call that we make, held from the dial on; `build_line` makes what it gets once somebody has picked up.
    others, sound: as for `build_call`."""
    call = CallContext(info, agent)
    dial = DialPerformer(call, carrier, request)
    author, recorder = AuthorPerformer(call, journal.settle, others), CallRecorder(call, journal, measure, left, sound)
    return DialParts(
        call=call,
        author=author,
        dial=dial,
        sound=sound,
        session=CallSession(call, author=author, recorder=recorder, dial=dial),
    )


def build_line(
    call: CallContext,
    author: AuthorPerformer,
    *,
    format: AudioFormat,
    line: AudioLine,
    control: CallControl,
    vad: VadSource,
    cache: TtsCache,
    attend: Attend | None = None,
    handed_over: Callable[[], None] | None = None,
    sound: CallSound | None = None,
    carrier_records: bool = True,
) -> LineParts:
    """What a call has once there is a line: ears, mind, mouth, and what is asked of the carrier. handed_over: of a call
    that was made to tell somebody about another caller, is told when they know. sound, carrier_records: as for
    `build_call`."""
    agent, post = call.agent, call.post
    wire = wire_codec(format)
    if sound is not None:
        sound.begin(wire, call.clock.now())
    echo = None
    if agent.echo_canceller is not None:
        loop = asyncio.get_running_loop()

        def found(delay_ms: int) -> None:
            loop.call_soon_threadsafe(post, EchoFound(delay_ms=delay_ms))

        echo = agent.echo_canceller(wire.rate_hz, found)
    far = None if echo is None else PlayoutReference(wire)
    pacer = Pacer(bytes_per_ms=wire.bytes_per_ms)
    overheard = OverheardLine(line, wire, call.clock, *(each for each in (far, sound) if each is not None))
    outbound = OutboundPath(clock=call.clock, line=overheard, post=post, pacer=pacer, far=far, sound=sound)

    screen: ScreeningEar | None = None
    if call.info.direction is Direction.OUTBOUND and agent.plan.screens_machines:
        screen = ScreeningEar(post=post, clock=call.clock, line_rate_hz=wire.rate_hz)
    report = post if screen is None else screen.post

    turns: EndOfTurnDetector | None = None
    if agent.end_of_turn is not None:
        turns = EndOfTurnDetector(agent.end_of_turn, line_rate_hz=wire.rate_hz, post=post)
    listener: Listener | None = None
    engine: Converse | None = None
    hearing: AudioSink
    if agent.engine is not None:
        hearing = engine = Converse(
            agent.engine,
            setup=partial(engine_setup, call, author, agent.engine.abilities),
            plan=lambda: call.plan,
            playback=outbound,
            post=report,
            now=call.clock.now,
            alarm=CallAlarm(call.clock),
            wire=wire,
            committed=turns.commit if turns is not None else lambda: None,
            quiet=lambda: call.machine.quiet,
            breakers=agent.breakers,
        )
    else:
        hearing = listener = Listener(
            agent.stt,
            *agent.stt_fallbacks,
            line_rate_hz=wire.rate_hz,
            post=report,
            breakers=agent.breakers,
            wire=wire,
        )
    if turns is not None:
        hearing = AudioFanout(hearing, turns)
    if screen is not None:
        hearing = AudioFanout(hearing, screen)
    inbound = InboundPath(
        clock=call.clock,
        room=vad,
        hearing=hearing,
        post=report,
        wire=wire,
        echo=echo,
        echo_thread=THREAD,
        far=far,
        audio_filter=filter_for_call(agent.audio_filter, rate_hz=wire.rate_hz),
        sound=sound,
    )

    brain: Brain | None = None
    if agent.models or agent.hooks.on_message is not None:
        brain = AgentBrain(call, ModelBrain(call, author.tool_specs), author.pieces)
    thinker = Thinker(
        brain,
        language=agent.plan.language,
        post=post,
        aggressive_first_flush=agent.aggressive_first_flush,
        go_on=go_on_line(agent),
    )
    speaker = Speaker(
        agent.tts,
        *agent.tts_fallbacks,
        wire=wire,
        phrasebook=cache,
        outbound=outbound,
        post=post,
        breakers=agent.breakers,
    )
    return LineParts(
        media=MediaPerformer(call, inbound, outbound, HoldMusic(wire, outbound), overheard),
        cascade=CascadePerformer(
            call,
            listener=listener,
            thinker=thinker,
            speaker=speaker,
            turns=turns,
            instruct=engine.instruct if engine is not None else lambda: None,
        ),
        carrier=CarrierPerformer(
            call, control, attend=attend, handed_over=handed_over, sound=sound, records=carrier_records
        ),
        engine=engine,
        onlookers=Onlookers(call, overheard, vad, wire),
        began_at=call.clock.now(),
    )


def engine_setup(call: CallContext, author: AuthorPerformer, can: EngineAbilities) -> EngineSetup:
    """What an engine's session is to be, by the plan and the conversation as they are now."""
    plan = call.plan
    return EngineSetup(
        system_prompt=told_prompt(plan),
        first_message=plan.first_message,
        language=plan.language,
        server_turns=plan.engine is not None and plan.engine.server_turns,
        tools=offered_tools(author.tool_specs(), plan, Direction.INBOUND) if can.tools else (),
        history=spoken_history(chat_messages("", call.history)),
    )
