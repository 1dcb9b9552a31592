"""A call by text on the bench: the real agent on virtual time, ten minutes in a second."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from patter_cli import wiring
from patter_cli.contracts.carrier.stream import StreamCodec
from patter_cli.contracts.llm import LanguageModel
from patter_cli.core.journal import Entry
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import InputError
from patter_cli.observe.bus import Observer
from patter_cli.simulate.fuzz.run import always_faults
from patter_cli.simulate.judgement import ask_all
from patter_cli.simulate.persona import Persona
from patter_cli.simulate.played import Span, longest_silence
from patter_cli.simulate.script import Then
from patter_cli.simulate.steps import StaySilent, Wait
from patter_cli.simulate.virtual.call import VirtualResult, play_virtually
from patter_cli.simulate.virtual.in_file import VirtualWorld
from patter_cli.simulate.written import Scenario
from patter_cli.testbench.held import HeldCall
from patter_cli.testbench.logged import errors_logged


def hold_virtually(
    agent: ReadyAgent,
    scenario: Scenario,
    *,
    model: LanguageModel | None = None,
    observers: Sequence[Observer] = (),
    max_ttfa_ms: int | None = None,
    then: Then | None = None,
    held: HeldCall | None = None,
) -> HeldCall:
    """Play a scenario and judge it. Not from a running event loop. model: plays the caller and judges, where the
    scenario wants that. then: see simulate.script.hold_conversation. held: is filled as the call goes on. Raises
    PatterError."""
    limit_ms = max_ttfa_ms or scenario.expected.max_ttfa_ms
    call = held or HeldCall(scenario=scenario, max_ttfa_ms=limit_ms)
    if scenario.caller is not None and then is None:
        assert model is not None  # whoever holds it has looked
        then = Persona(scenario.caller, model, call.steps, lambda: call.heard).next_steps
    elif not scenario.steps and then is None:
        raise InputError(f"{agent.name} has no scenario", hint='give the caller words: --say "Hello"')

    def fold(call_id: str, entry: Entry) -> None:
        call.folds.feed(entry)

    world = scenario.virtual or VirtualWorld(seed=scenario.seed)
    with errors_logged(call.errors):
        played = play_virtually(
            agent,
            scenario,
            pace=world.pace,
            seed=world.seed,
            observers=(fold, *observers),
            codec=virtual_codec(),
            on_done=call.steps.append,
            then=then,
        )
    _measure(call, played)
    if scenario.expected.always:
        call.always = always_faults(played, agent)
    if scenario.questions:
        call.judgements = asyncio.run(ask_all(model, scenario, call.steps, call.heard))
    call.judge()
    return call


def virtual_codec() -> StreamCodec:
    """Our end of a stream that has begun, for what a step sends as a frame."""
    carrier = wiring.built_in_line()
    codec = carrier.codec()
    codec.receive(carrier.line().start(call_id="virtual", parameters={}))
    return codec


def _measure(call: HeldCall, played: VirtualResult) -> None:
    call.failure = played.failure
    call.begun_ms = list(played.score.begun_ms)
    call.waits_ms = list(played.waits_ms)
    call.duration_ms = played.over_ms
    sounds: list[Span] = [(each.start, each.end) for each in played.sounds]
    call.silence_ms = longest_silence(
        [*sounds, *played.rings],
        [(each.start, each.end) for each in played.utterances],
        [(each.began_ms, each.at_ms) for each in played.steps if isinstance(each.step, Wait | StaySilent)],
        played.over_ms if played.ended_ms is None else played.ended_ms,
    )
