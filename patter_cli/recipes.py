"""An agent's ears, minds and voices: names become things, what was left open is chosen, what cannot serve refused."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

from patter_cli import registry
from patter_cli.agent import Agent
from patter_cli.contracts.eou import EndOfTurnModel
from patter_cli.contracts.keyterms import KeytermBudget, budget_of
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.provider import Provider, missing_members, name_of
from patter_cli.contracts.s2s import SpeechEngine
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.engine.respelt import RespeltVoice
from patter_cli.errors import BadSetting, ConfigError, InputError, a_kind
from patter_cli.retired import current

log = logging.getLogger(__name__)

_SHOWN = 10
"""Key terms that one line of the log names."""
_NAME = re.compile(r"[^\W\d_a-z][\w'’.-]*(?: [^\W\d_][\w'’.-]*){0,3}")
"""A value that is a name: it begins with a capital, and is four words at most."""
_CONTRACTS: dict[registry.Kind, type] = {
    "engine": SpeechEngine,
    "stt": SpeechToText,
    "tts": TextToSpeech,
    "llm": LanguageModel,
    "eou": EndOfTurnModel,
}


def with_providers(agent: Agent) -> Agent:
    """The agent with things for names: llm="openai" becomes OpenAILLM(). Raises UnknownProvider, ConfigError."""
    return replace(
        agent,
        engine=_engine(_things("engine", agent.engine, agent.model), agent.voice),
        stt=_things("stt", agent.stt),
        llm=_things("llm", agent.llm, agent.model),
        tts=_things("tts", agent.tts),
    )


def with_keys(agent: Agent, given: Mapping[str, str], *, answered: bool = False) -> Agent:
    """The agent with keys that somebody gave, by variable: for providers that have none, and for stages left open.

    answered: somebody's own code answers, and no language model is to. Raises UnknownProvider, ConfigError.
    """
    agent = with_providers(agent)
    usual = None if answered else _usual_engine(agent)
    if agent.engine is None and usual is not None and any(each in given for each in usual.keys):
        agent = _with_engine(usual, agent, {})
        return replace(agent, engine=_keyed("engine", agent.engine, given))
    if agent.engine is not None:
        return replace(agent, engine=_keyed("engine", agent.engine, given, agent.model))
    return replace(
        agent,
        stt=_keyed("stt", agent.stt, given),
        llm=agent.llm if answered and agent.llm is None else _keyed("llm", agent.llm, given, agent.model),
        tts=_keyed("tts", agent.tts, given),
    )


def with_usual_engine(agent: Agent, notes: dict[str, str]) -> Agent:
    """The agent with the engine that takes it if its author chose nothing at all, where that one's key is set."""
    row = _usual_engine(agent)
    if row is None or not row.key_set():
        return agent
    return _with_engine(row, agent, notes)


def _usual_engine(agent: Agent) -> registry.Row | None:
    """Who hears, thinks and speaks for an agent that leaves all of that open. A model that is named is a language
    model's, unless it says that it is one of speech."""
    chosen = any(each is not None for each in (agent.engine, agent.stt, agent.llm, agent.tts))
    if chosen or agent.provider or (agent.model and "realtime" not in agent.model):
        return None
    return next(each for each in registry.rows("engine"))


def _with_engine(row: registry.Row, agent: Agent, notes: dict[str, str]) -> Agent:
    """The agent with this engine, and with the voice that its author chose if the engine has that one."""
    engine = made("engine", row.name, agent.model)
    notes["engine"] = f"engine: {row.name} {engine.model}, because {row.keys[0]} is set and nothing else was chosen"
    if agent.voice and not engine.has_voice(agent.voice):
        notes["voice"] = f"voice {agent.voice}: another vendor's; {engine.voice} speaks instead"
        return replace(agent, engine=engine, voice="")
    return replace(agent, engine=_engine(engine, agent.voice))


def _keyed(kind: registry.Kind, provider: Any, given: Mapping[str, str], model: str = "") -> Any:
    if isinstance(provider, Sequence):
        return [_keyed(kind, each, given, model) for each in provider]
    for row in registry.rows(kind):
        key = next((given[each] for each in row.keys if each in given), "")
        if key and provider is None and not row.on_request:
            make = row.load()
            return make(api_key=key, model=model) if model else make(api_key=key)
        if key and row.makes(provider) and provider.api_key is None:
            return replace(provider, api_key=key)
    return provider


def _things(kind: registry.Kind, given: Any, model: str = "") -> Any:
    if given is None:
        return None
    if isinstance(given, str):
        return made(kind, given, model)
    today = datetime.now(UTC).date()
    if isinstance(given, Sequence):
        return [made(kind, each, model) if isinstance(each, str) else current(each, today) for each in given]
    return current(given, today)


def _engine(engine: Any, voice: str) -> Any:
    """The engine with the voice that the agent chose, if it has any to choose from."""
    if engine is None or not voice or not is_dataclass(engine) or isinstance(engine, type):
        return engine
    return replace(engine, voice=voice) if "voice" in {each.name for each in fields(engine)} else engine


def made(kind: registry.Kind, name: str, model: str = "") -> Any:
    """A vendor's recipe with what it takes from the environment. model: "" for the vendor's usual one."""
    make = registry.find(kind, name).load()
    try:
        return current(make(model=model) if model else make(), datetime.now(UTC).date())
    except TypeError as error:
        raise ConfigError(
            f"{name} cannot be made from its name alone: {error}", hint=f"import its class, and make it: {kind}=…(…)"
        ) from error


def left_open(kind: registry.Kind, notes: dict[str, str]) -> Any:
    """Who does what the author left open: who has a key, otherwise who needs none."""
    part = {"stt": "ears", "tts": "voice"}[kind]
    row = registry.with_key(kind)
    if row is not None:
        notes[kind] = f"{part}: {row.name}, because {row.key_set()} is set"
        return made(kind, row.name)
    before = notes.get("speech", "").partition(":")[0]
    notes["speech"] = f"{f'{before} and {part}' if before else part}: built in, no key needed"
    return made(kind, registry.keyless(kind).name)


def several(given: Any) -> tuple[Any, ...]:
    """One provider or those that stand in for one another, in their order; () where nothing was given."""
    if given is None:
        return ()
    return tuple(given) if isinstance(given, Sequence) else (given,)


def check(name: str, kind: registry.Kind, recipes: Sequence[object]) -> None:
    """Find out before the first ring what would fail on it. Raises InputError, ConfigError."""
    for each in recipes:
        if missing := missing_members(each, _CONTRACTS[kind]):
            part = "end-of-turn model" if kind == "eou" else kind
            raise InputError(
                f"agent {name}: {a_kind(each)} cannot be its {part}, for it lacks {', '.join(missing)}",
                hint=f"keep what {_CONTRACTS[kind].__module__.replace('.', '/')}.py asks for, or name one of: "
                + ", ".join(row.name for row in registry.rows(kind)),
            )
        if isinstance(each, Provider):
            each.check()


def is_one(recipe: object, kind: registry.Kind) -> bool:
    """Whether this keeps the contract of its kind."""
    return not missing_members(recipe, _CONTRACTS[kind])


def heard_by(agent: Agent, stt: SpeechToText, parameters: Mapping[str, str] = MappingProxyType({})) -> SpeechToText:
    """The same recogniser with the agent's key terms and language, if it takes any and has none of its own.
    parameters: variables that this call brings with it."""
    if not is_dataclass(stt):
        return stt
    own: dict[str, Any] = {"keyterms": known_names(agent, parameters), "language": agent.language}
    wanted = {"keyterms": (), "language": ""}
    changes = {name: own[name] for name, none in wanted.items() if own[name] and getattr(stt, name, None) == none}
    terms: tuple[str, ...] = changes.get("keyterms") or getattr(stt, "keyterms", ())
    kept = budget_of(stt).kept(terms)
    if len(kept) < len(terms):
        changes["keyterms"] = kept
        written = {*agent.keyterms, *agent.pronounce, *getattr(stt, "keyterms", ())}
        left = [each for each in terms if each not in kept]
        ours = tuple(each for each in left if each in written)
        _tell_left_out(name_of(stt), budget_of(stt), ours, names=len(ours) < len(left))
    return cast(SpeechToText, replace(stt, **changes)) if changes else stt


def known_names(agent: Agent, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """What callers may say that no recogniser would guess: the agent's key terms, and names that it knows besides."""
    filled = {**agent.variables, **parameters}
    values = (each for each in filled.values() if isinstance(each, str) and _NAME.fullmatch(each))
    return tuple(dict.fromkeys((*agent.keyterms, *agent.pronounce, *values)))


@lru_cache(maxsize=256)  # once for each such agent, and not in each of its calls
def _tell_left_out(provider: str, budget: KeytermBudget, written: tuple[str, ...], *, names: bool) -> None:
    """Say which key terms a recogniser is not sent. written: those in the agent's file. names: whether values of
    variables are among them, which are told by no name: they may be callers'."""
    shown = [*written[:_SHOWN], *([f"{len(written) - _SHOWN} more"] if len(written) > _SHOWN else [])]
    what = ", ".join([*shown, *(["names in variables"] if names else [])])
    log.warning("%s takes key terms up to %s: it is not told of %s", provider, budget, what)


def in_language(agent: Agent, language: str, kind: registry.Kind, recipe: Any) -> Any:
    """The same ears or voice for another of the agent's languages. Raises InputError, BadSetting."""
    if type(recipe) is type(registry.keyless(kind).load()()):
        if language.partition("-")[0].lower() != "en":
            part = {"stt": "ears", "tts": "voice"}[kind]
            raise InputError(
                f"the built-in {part} know English only, and languages has {language!r}",
                hint=f"give the agent a vendor's: {kind}=…, or set its key",
            )
        return recipe
    if is_dataclass(recipe) and "language" in {each.name for each in fields(recipe)}:
        return replace(cast(Any, recipe), language=language)
    return recipe


def voice_of(agent: Agent, tts: TextToSpeech) -> TextToSpeech:
    """The voice the agent chose, said right. Raises BadSetting."""
    return said_right(agent, with_voice(tts, agent.voice) if agent.voice else tts)


def stands_in(voice: str, tts: TextToSpeech) -> bool:
    """Whether this voice is a vendor's, and the built-in one speaks for it."""
    from patter_cli.providers.local import stands_in_for

    return stands_in_for(voice) and type(tts) is type(registry.keyless("tts").load()())


def said_right(agent: Agent, tts: TextToSpeech) -> TextToSpeech:
    """A voice that reads in the agent's language and says some words as it was told."""
    if is_dataclass(tts) and getattr(tts, "language", None) == "":
        tts = cast(TextToSpeech, replace(tts, language=agent.language))
    return RespeltVoice(voice=tts, words=tuple(agent.pronounce.items())) if agent.pronounce else tts


def with_voice(tts: TextToSpeech, voice: str) -> TextToSpeech:
    """The same provider with another voice. Raises BadSetting."""
    built_in = registry.keyless("tts").load()
    usual: Any = built_in()
    if type(tts) is type(usual):
        chosen: Any = built_in(voice)
        names = [each.name for each in fields(chosen)]
        changes = {name: getattr(chosen, name) for name in names if getattr(chosen, name) != getattr(usual, name)}
        return cast(TextToSpeech, replace(cast(Any, tts), **changes))
    if not is_dataclass(tts) or "voice" not in {each.name for each in fields(tts)}:
        raise BadSetting(f"{type(tts).__name__} has no voice to choose", hint="leave voice out, or give another tts")
    return cast(TextToSpeech, replace(tts, voice=voice))
