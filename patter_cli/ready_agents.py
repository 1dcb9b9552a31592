"""An agent made ready for calls: what its author left open is filled in, and all of it is checked before a first ring.

ready_agent -> ReadyAgent -- for_call: the words of a call that we make
                          -- revise: what on_call_start changes for one call
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from patter_cli import recipes, registry
from patter_cli.agent import Agent
from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.call_plan import plan_of
from patter_cli.contracts.echo import EchoCanceller
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.s2s import SpeechEngine
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.engine.answer_service import AnswerService, ready_service
from patter_cli.engine.author_model import AuthorModel
from patter_cli.engine.fallback import Breakers
from patter_cli.engine.filtering import is_audio_filter
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.mcp_tools import mcp_tools
from patter_cli.engine.ready import CallTexts, Check, ReadyAgent, SpokenIn
from patter_cli.engine.shapes import check_hooks, check_shape
from patter_cli.engine.tools import ready_tools
from patter_cli.errors import ConfigError, InputError, PatterError
from patter_cli.opting_out import bind_opt_out, do_not_call
from patter_cli.settings import DEFAULTS, Settings

log = logging.getLogger(__name__)

OVERRIDES = (
    "system_prompt",
    "first_message",
    "voice",
    "language",
    "variables",
    "pronounce",
    "tools",
    "guardrails",
    "llm",
    "tts",
    "transfer_numbers",
    "barge_in_threshold_ms",
    "turns",
)
"""What on_call_start may change for one call, beside the agent itself."""


def ready_agent(
    name: str,
    agent: Agent,
    hooks: Hooks,
    settings: Settings = DEFAULTS,
    *,
    voicemail_message: str = "",
    breakers: Breakers | None = None,
) -> ReadyAgent:
    """Resolve what the agent left open and check that it can hold a call. breakers: what is known already of vendors in
    trouble. Raises PatterError."""
    if not name.strip():
        raise InputError("an agent needs a name: callers choose it by its name", hint='name="receptionist"')
    if isinstance(hooks.on_message, str | AnswerService):
        hooks = replace(hooks, on_message=ready_service(hooks.on_message, settings.webhook_secret))
    check_hooks(hooks)
    for rule in agent.guardrails:
        if rule.check is not None:
            check_shape(f"the check of guardrail {rule.name}", rule.check, "check=lambda clause: …")
    notes: dict[str, str] = {}
    agent = recipes.with_providers(agent)
    if hooks.on_message is None:
        agent = recipes.with_usual_engine(agent, notes)
    unknown = agent.unknown_variables(voicemail_message)
    if unknown:
        raise InputError(
            f"agent {name}: nothing fills {', '.join('{' + each + '}' for each in unknown)}",
            hint='give it in Agent(variables={"' + unknown[0] + '": "…"})',
        )
    given: Any = agent.audio_filter
    if given is NlmsEchoCanceller or isinstance(given, NlmsEchoCanceller):
        raise InputError(
            f"agent {name}: an echo canceller is no audio_filter, it must hear what we say",
            hint="echo_cancellation=NlmsEchoCanceller(…)",
        )
    if agent.audio_filter is not None and not is_audio_filter(agent.audio_filter):
        raise InputError(
            f"agent {name}: its audio_filter cannot be used",
            hint="give an object with process(samples, rate_hz), or a class of such objects",
        )
    models = () if agent.engine is not None else _models(name, agent, hooks, notes)
    recipes.check(name, "engine", recipes.several(agent.engine))
    recipes.check(name, "stt", recipes.several(agent.stt))
    recipes.check(name, "tts", recipes.several(agent.tts))
    recipes.check(name, "llm", models)
    recipes.check(name, "eou", recipes.several(agent.turns.end_of_turn))
    if agent.engine is not None:
        open_stt: tuple[SpeechToText, ...] = (registry.keyless("stt").load()(),)  # whom nobody asks
        open_tts: tuple[TextToSpeech, ...] = (registry.keyless("tts").load()(),)  # for lines that are ours
    else:
        open_stt = (recipes.left_open("stt", notes),) if agent.stt is None else ()
        open_tts = (recipes.left_open("tts", notes),) if agent.tts is None else ()
        recipes.check(name, "stt", open_stt)
        recipes.check(name, "tts", open_tts)
    theirs = mcp_tools(agent.mcp_servers, waits=breakers is None)  # a call that goes on does not wait
    breakers = Breakers() if breakers is None else breakers
    unwanted = do_not_call(settings)
    tools = ready_tools((*bind_opt_out(agent.tools, unwanted), *theirs), webhook_secret=settings.webhook_secret)
    canceller = _echo_canceller(agent.echo_cancellation)
    if (
        agent.engine is None
        and agent.voice
        and recipes.stands_in(agent.voice, (recipes.several(agent.tts) or open_tts)[0])
    ):
        notes["voice"] = f"voice {agent.voice}: a vendor's, who needs a key; the built-in one speaks instead"

    def resolve(changed: Agent, parameters: Mapping[str, str], texts: CallTexts) -> ReadyAgent:
        known = tools
        if changed.tools != agent.tools:
            own = bind_opt_out(changed.tools, unwanted)
            known = ready_tools((*own, *theirs), webhook_secret=settings.webhook_secret)
        if changed.tts is not agent.tts:
            recipes.check(name, "tts", recipes.several(changed.tts))
        if changed.llm is not agent.llm:
            recipes.check(name, "llm", recipes.several(changed.llm))
        stt, *other_stt = recipes.several(changed.stt) or open_stt
        tts, *other_tts = recipes.several(changed.tts) or open_tts
        heard = (stt, *other_stt)
        voices = (tts, *other_tts)
        return ReadyAgent(
            name=name,
            plan=plan_of(
                name,
                changed,
                parameters,
                known,
                drafts=bool(models),
                voicemail_message=texts.voicemail_message or voicemail_message,
                screens_machines=texts.detects_machines,
            ),
            engine=cast(SpeechEngine | None, changed.engine),
            stt=recipes.heard_by(changed, stt, parameters),
            tts=recipes.voice_of(changed, tts),
            hooks=hooks,
            stt_fallbacks=tuple(recipes.heard_by(changed, each, parameters) for each in other_stt),
            tts_fallbacks=tuple(recipes.said_right(changed, each) for each in other_tts),
            spoken=_spoken(changed, heard, voices, parameters),
            max_usd=changed.max_cost,
            models=at_home(models if changed.llm is agent.llm else recipes.several(changed.llm)),
            tools=known,
            checks={
                rule.name: Check(
                    forbids=rule.check, replacement=rule.replacement, blocks_on_error=rule.on_error == "block"
                )
                for rule in changed.guardrails
                if rule.check is not None
            },
            echo_canceller=canceller,
            audio_filter=changed.audio_filter,
            end_of_turn=changed.turns.end_of_turn,
            aggressive_first_flush=changed.aggressive_first_flush,
            texts=texts,
            revise=partial(revise, texts),
            for_call=for_call,
            breakers=breakers,
            notes=dict(notes),
        )

    def for_call(texts: CallTexts) -> ReadyAgent:
        written = agent.unknown_variables(texts.first_message + texts.voicemail_message)
        if missing := [each for each in written if each not in texts.variables]:
            raise InputError(
                f"nothing fills {', '.join('{' + each + '}' for each in missing)}", hint=f"--var {missing[0]}=…"
            )
        return revise(texts, {}, texts.variables)

    def revise(texts: CallTexts, overrides: Mapping[str, Any], parameters: Mapping[str, str]) -> ReadyAgent:
        """The agent of one call, as on_call_start changed it. What cannot be used is logged, the rest holds."""
        if "agent" in overrides:
            overrides = dict(overrides)
            other = another(overrides.pop("agent"), texts)
            if other is not None:
                return other.revise(overrides, parameters)
        changed = replace(agent, first_message=texts.first_message or agent.first_message)
        for key, value in overrides.items():
            if key not in OVERRIDES:
                log.error("on_call_start cannot change %r; it may change agent, %s", key, ", ".join(OVERRIDES))
                continue
            if key == "llm" and hooks.on_message is not None:
                log.error("on_call_start gave an llm, but on_message answers this agent's calls")
                continue
            try:
                change: dict[str, Any] = {key: {**agent.variables, **dict(value)} if key == "variables" else value}
                candidate = recipes.with_providers(replace(changed, **change))
                resolve(candidate, parameters, texts)
            except (PatterError, TypeError, ValueError) as error:
                log.error("on_call_start gave a %s that cannot be used: %s", key, error)
            else:
                changed = candidate
        return resolve(changed, parameters, texts)

    def another(given: Any, texts: CallTexts) -> ReadyAgent | None:
        """An agent that on_call_start made or chose for this call; None for what is none, which is logged."""
        if not isinstance(given, Agent):
            log.error("on_call_start gave %s for an agent: a name or an Agent(…) is one", type(given).__name__)
            return None
        calls = replace(hooks, on_message=None) if given.llm is not None else hooks
        try:
            # What other calls found out about vendors holds for an agent that is made for this one, too.
            chosen = ready_agent(name, given, calls, settings, voicemail_message=voicemail_message, breakers=breakers)
            return chosen.for_call(texts)
        except PatterError as error:
            log.error("on_call_start gave an agent that cannot be used: %s", error)
            return None

    return resolve(agent, {}, CallTexts(detects_machines=False))


def _spoken(
    agent: Agent, ears: tuple[SpeechToText, ...], voices: tuple[TextToSpeech, ...], parameters: Mapping[str, str]
) -> dict[str, SpokenIn]:
    """By language, who hears and speaks it. Raises InputError, BadSetting for one that nobody does."""
    if len(agent.languages) < 2:
        return {}
    found: dict[str, SpokenIn] = {}
    for language, voice in _voices(agent).items():
        spoken = replace(agent, language=language, languages=(), voice=voice or agent.voice)
        kinds: tuple[tuple[registry.Kind, tuple[Any, ...]], ...] = (("stt", ears), ("tts", voices))
        if language == agent.language:
            hear, say = ears, voices
        elif agent.engine is not None:
            hear, say = (), voices  # the lines that are ours stay with the house's voice
        else:
            hear, say = (tuple(recipes.in_language(spoken, language, kind, each) for each in of) for kind, of in kinds)
        first, *others = say
        found[language] = SpokenIn(
            ears=tuple(recipes.heard_by(spoken, each, parameters) for each in hear),
            voices=(
                recipes.voice_of(spoken, first) if agent.engine is None else first,
                *(recipes.said_right(spoken, each) for each in others),
            ),
        )
    return found


def _voices(agent: Agent) -> dict[str, str]:
    """By language, the voice that speaks it; "" for the agent's."""
    return dict(agent.languages) if isinstance(agent.languages, Mapping) else dict.fromkeys(agent.languages, "")


def at_home(models: tuple[LanguageModel, ...]) -> tuple[LanguageModel, ...]:
    """The models, those that are the author's functions on the loop of the author's code. Raises InputError."""
    from patter_cli.providers.rules import RulesLLM

    found: list[LanguageModel] = []
    for each in models:
        if isinstance(each, RulesLLM):
            check_shape(f"the function {each.model} of RulesLLM", each.rules, "def rules(turn): …")
            found.append(AuthorModel(inner=each, function=each.rules))
        else:
            found.append(each)
    return tuple(found)


def _echo_canceller(
    choice: bool | str | NlmsEchoCanceller | None,
) -> Callable[[int, Callable[[int], None]], EchoCanceller] | None:
    """What makes a call's echo canceller for a line of some rate. Raises MissingExtra, UnknownProvider."""
    if choice is None:
        from patter_cli.audio.auto_echo import AutoEchoCanceller

        return AutoEchoCanceller
    if not choice:
        return None
    if isinstance(choice, NlmsEchoCanceller):
        return lambda rate_hz, found: choice.for_line(rate_hz)
    if isinstance(choice, str):
        make = registry.find("echo", choice).load()
        make()  # what it needs is loaded, or found missing, before the first ring
        return lambda rate_hz, found: cast(EchoCanceller, make(rate_hz))
    return lambda rate_hz, found: NlmsEchoCanceller(sample_rate=rate_hz)


def _models(name: str, agent: Agent, hooks: Hooks, notes: dict[str, str]) -> tuple[LanguageModel, ...]:
    """What answers: the agent's models, none if its own code does, or what the environment has a key for."""
    if agent.llm is not None and hooks.on_message is not None:
        raise ConfigError(
            f"agent {name} has both a language model and on_message", hint="leave one of them out: both would answer"
        )
    models = recipes.several(agent.llm)
    if not models and hooks.on_message is None:
        row = registry.with_key("llm")
        if row is None:
            wanted = next((each.keys[0] for each in registry.rows("llm") if each.keys), "")
            raise ConfigError(
                f"agent {name} has nothing to answer with",
                hint=f"export {wanted}=sk-…, give it an llm, or define on_message: "
                "async def on_message(event): yield 'You said ' + event.text",
            )
        chosen = recipes.made("llm", row.name, agent.model)
        models = (chosen,)
        notes["llm"] = f"language model: {chosen.provider} {chosen.model}, because {row.key_set()} is set"
    return models
