"""What a person writes: an Agent, its guardrails, and the steps of a scripted caller. Its tools are in tools.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from patter_cli.errors import InputError, a_kind
from patter_cli.mcp_servers import as_mcp_servers
from patter_cli.tools import as_tool

if TYPE_CHECKING:
    from patter_cli.audio.echo import NlmsEchoCanceller
    from patter_cli.contracts.echo import AudioFilter
    from patter_cli.contracts.eou import EndOfTurnModel
    from patter_cli.contracts.llm import LanguageModel
    from patter_cli.contracts.s2s import SpeechEngine
    from patter_cli.contracts.stt import SpeechToText
    from patter_cli.contracts.tts import TextToSpeech

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{1,8})*")
"""Source: RFC 5646, without the languages of four letters and more, which it reserves."""
_PLACEHOLDER = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")
TRANSFER_NUMBER = re.compile(E164.pattern + r"(?:;ext=[0-9*#w]{1,32})?")
"""A number, and perhaps the extension that is dialled once it has answered. Source: RFC 3966."""
"""A phone number as carriers want it; use with fullmatch. Source: ITU-T E.164."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A rule on every clause before it is spoken.

    blocked_terms match whole words, whatever their case. check, sync or async, gets the clause and says True when it
    must not be spoken. on_error: what one that raises or hangs does, "block" or "pass". replacement is spoken instead,
    and is what the history says. Raises InputError.
    """

    name: str
    blocked_terms: Sequence[str] = ()
    check: Callable[[str], Any] | None = None
    replacement: str = "I'm sorry, I can't respond to that."
    on_error: Literal["block", "pass"] = "block"

    def __post_init__(self) -> None:
        if isinstance(self.blocked_terms, str):
            raise InputError(
                f"guardrail {self.name!r}: blocked_terms is one text", hint=f"blocked_terms=[{self.blocked_terms!r}]"
            )
        object.__setattr__(self, "blocked_terms", tuple(self.blocked_terms))
        if not any(term.strip() for term in self.blocked_terms) and self.check is None:
            raise InputError(
                f"guardrail {self.name!r} has neither blocked_terms nor a check", hint="give it one of them"
            )
        if self.check is not None and not callable(self.check):
            raise InputError(f"guardrail {self.name!r}: its check cannot be called", hint="check=lambda clause: …")
        if self.on_error not in ("block", "pass"):
            raise InputError(f"guardrail {self.name!r}: on_error is {self.on_error!r}", hint='"block" or "pass"')
        if not self.replacement.strip():
            raise InputError(f"guardrail {self.name!r} has nothing to say instead", hint="give it a replacement")


def guardrail(
    name: str,
    blocked_terms: Sequence[str] = (),
    check: Callable[[str], Any] | None = None,
    replacement: str = "I'm sorry, I can't respond to that.",
    on_error: Literal["block", "pass"] = "block",
) -> Guardrail:
    """Write a Guardrail in one line. Raises InputError."""
    return Guardrail(name=name, blocked_terms=blocked_terms, check=check, replacement=replacement, on_error=on_error)


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPolicy:
    """How patient the agent is. Milliseconds; None keeps the measured default."""

    endpoint_ms: int | None = None
    endpoint_unfinished_ms: int | None = None
    """The silence that ends a turn whose words ask for more."""
    idle_ms: int | None = None
    idle_asks: int | None = None
    end_of_turn: EndOfTurnModel | None = None
    """A model that hears whether somebody has finished, beside silence and words."""

    def __post_init__(self) -> None:
        for name in ("endpoint_ms", "endpoint_unfinished_ms", "idle_ms", "idle_asks"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise InputError(f"TurnPolicy: {name} cannot be {value!r}", hint=f"{name}=600, whole and not negative")
        _check_made("end_of_turn", self.end_of_turn)


PIPELINE = "pipeline"
ENGINES = ("openai_realtime", "elevenlabs_convai")
"""What `provider` may say: the words of an older form."""

_LISTS = {
    "tools": "[book]",
    "guardrails": '[guardrail("prices", ["dollar"])]',
    "transfer_numbers": '["+15550100001"]',
    "keyterms": '["Bright Smile", "Dr. Nguyen"]',
}
"""Arguments of an Agent that are lists, and how one is written."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Who answers: what it knows, how it sounds, how it takes turns. Immutable; share it between calls.

    engine: who hears, thinks and speaks in one, in place of stt, llm and tts: OpenAIRealtime(…), or its name. With none
    of the four, OpenAI Realtime answers where OPENAI_API_KEY is set; provider="pipeline" has stt, llm and tts chosen.
    provider: the choice as a word, "openai_realtime", "elevenlabs_convai" or "pipeline".
    stt, llm, tts: a provider, or its name where the environment has its key (llm="openai"), or several, of which the
    next is asked when one fails. tools: functions under @tool, Tools, dicts.
    mcp_servers: commands or URLs of MCP servers, McpServers, dicts; their tools become the agent's, as server_tool.
    transfer_numbers: whom callers may be connected to, besides numbers written in the prompt; E.164.
    keyterms: names and words that callers may say, for recognisers that take them; names that it knows besides, those
    of `pronounce` and of `variables`, are added.
    languages: those that it may change to while it talks, by its tool switch_language: ["en", "es"], or each with the
    voice that speaks it, {"en": "rachel", "es": "lily"}. A call begins in `language`; in the first where that is
    none of them.
    max_cost: US dollars that one call may cost by the list's prices: at 80 % it wraps up, at 100 % it says goodbye.
    echo_cancellation: None switches our canceller on for a call whose line returns our own voice; True: on from the
    start of every call; an NlmsEchoCanceller(…): likewise, tuned as that one; "webrtc": WebRTC's, likewise (the extra
    `aec`); False: never.
    pronounce: whole words as the voice is to say them, {"Nguyen": "win"}; those given in small letters in any case.
    History and records keep what is written.
    audio_filter: an object with process(samples, rate_hz), or a class or function that makes one for each call.
    Raises InputError for arguments that cannot work together.
    """

    system_prompt: str
    first_message: str = ""
    engine: SpeechEngine | str | None = field(default=None, kw_only=True)
    stt: SpeechToText | str | Sequence[SpeechToText | str] | None = field(default=None, kw_only=True)
    llm: LanguageModel | str | Sequence[LanguageModel | str] | None = field(default=None, kw_only=True)
    tts: TextToSpeech | str | Sequence[TextToSpeech | str] | None = field(default=None, kw_only=True)
    provider: str = field(default="", kw_only=True)
    voice: str = field(default="", kw_only=True)
    model: str = field(default="", kw_only=True)
    language: str = field(default="en", kw_only=True)
    tools: Sequence[Any] = field(default=(), kw_only=True)
    guardrails: Sequence[Any] = field(default=(), kw_only=True)
    variables: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    pronounce: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    barge_in_threshold_ms: int = field(default=300, kw_only=True)
    echo_cancellation: bool | str | NlmsEchoCanceller | None = field(default=None, kw_only=True)
    audio_filter: AudioFilter | Callable[[], AudioFilter] | None = field(default=None, kw_only=True)
    aggressive_first_flush: bool = field(default=False, kw_only=True)
    disable_phone_preamble: bool = field(default=False, kw_only=True)
    turns: TurnPolicy = field(default_factory=TurnPolicy, kw_only=True)
    transfer_numbers: Sequence[str] | None = field(default=None, kw_only=True)
    keyterms: Sequence[str] = field(default=(), kw_only=True)
    languages: Sequence[str] | Mapping[str, str] = field(default=(), kw_only=True)
    max_cost: float | None = field(default=None, kw_only=True)
    mcp_servers: Sequence[Any] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        for name in ("system_prompt", "first_message", "voice", "model", "language"):
            if not isinstance(getattr(self, name), str):
                raise InputError(f"{name} is {a_kind(getattr(self, name))}, not a text", hint=f'{name}="…"')
        for name, example in _LISTS.items():
            given = getattr(self, name)
            if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable | None):
                raise InputError(f"{name} is {a_kind(given)}, not a list", hint=f"{name}={example}")
        for name in ("aggressive_first_flush", "disable_phone_preamble"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} cannot be {getattr(self, name)!r}", hint="True or False")
        if not isinstance(self.variables, Mapping) or not all(isinstance(each, str) for each in self.variables):
            raise InputError(f"variables cannot be {self.variables!r}", hint='variables={"name": "Ann"}')
        if not _LANGUAGE.fullmatch(self.language):
            raise InputError(f"language cannot be {self.language!r}", hint='a short name like "en" or "en-GB"')
        self._check_languages()
        if self.max_cost is not None and not (isinstance(self.max_cost, int | float) and 0 < self.max_cost < 1e6):
            raise InputError(f"max_cost cannot be {self.max_cost!r}", hint="US dollars of one call: max_cost=0.5")
        if not isinstance(self.turns, TurnPolicy):
            raise InputError(f"turns cannot be {self.turns!r}", hint="turns=TurnPolicy(endpoint_ms=600)")
        if type(self.barge_in_threshold_ms) is not int:
            raise InputError("barge_in_threshold_ms is not a whole number", hint="milliseconds, 300 by default")
        if not self.system_prompt.strip():
            raise InputError("an agent needs a system_prompt", hint='Agent(system_prompt="You are …")')
        if self.barge_in_threshold_ms < 0:
            raise InputError("barge_in_threshold_ms cannot be negative", hint="0 switches barge-in off")
        echo = self.echo_cancellation
        if not isinstance(echo, bool | str | None) and not hasattr(echo, "for_line"):
            raise InputError(
                f"echo_cancellation cannot be {echo!r}", hint='None, True, False, "webrtc", or NlmsEchoCanceller(…)'
            )
        for name in ("engine", "stt", "llm", "tts"):
            _check_made(name, getattr(self, name))
        if isinstance(self.engine, list | tuple):
            raise InputError(
                "engine is a list, and one engine holds a whole call",
                hint=f"engine={_written(self.engine[0])}" if self.engine else "leave engine out",
            )
        self._choose_engine()
        beside = [name for name in ("stt", "llm", "tts") if self.engine is not None and getattr(self, name) is not None]
        if beside:
            raise InputError(
                f"an engine hears, thinks and speaks in one, and {' and '.join(beside)} would do it again",
                hint=f"leave out {' and '.join(beside)}, or engine",
            )
        for name in ("stt", "llm", "tts"):
            if isinstance(getattr(self, name), list | tuple) and not getattr(self, name):
                raise InputError(f"{name} is an empty list", hint=f"leave {name} out to have it chosen for you")
        for number in self.transfer_numbers or ():
            if not isinstance(number, str) or not TRANSFER_NUMBER.fullmatch(number):
                raise InputError(f"{number!r} is not a phone number", hint="write it as E.164: +15550100001")
        if not all(isinstance(each, str) for each in self.keyterms):
            raise InputError(f"keyterms cannot be {self.keyterms!r}", hint='keyterms=["Bright Smile", "Dr. Nguyen"]')
        object.__setattr__(self, "keyterms", tuple(self.keyterms))
        object.__setattr__(self, "tools", tuple(map(as_tool, self.tools)))
        object.__setattr__(self, "mcp_servers", as_mcp_servers(self.mcp_servers))
        object.__setattr__(self, "guardrails", tuple(_as_guardrail(each) for each in self.guardrails))
        names = [rule.name for rule in self.guardrails]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InputError(f"two guardrails are called {min(twice)!r}", hint="give each a name of its own")
        object.__setattr__(self, "variables", dict(self.variables))
        object.__setattr__(self, "pronounce", _as_pronunciations(self.pronounce))

    def _check_languages(self) -> None:
        """Begin in one of them. Raises InputError."""
        given, example = self.languages, 'languages=["en", "es"], or {"en": "rachel", "es": "lily"}'
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise InputError(f"languages cannot be {given!r}", hint=example)
        names = tuple(given)
        voices = dict(given) if isinstance(given, Mapping) else dict.fromkeys(names, "")
        for each in names:
            if not (isinstance(each, str) and _LANGUAGE.fullmatch(each) and isinstance(voices[each], str)):
                raise InputError(f"languages cannot have {each!r}", hint=example)
        if len(set(names)) != len(names):
            raise InputError("languages has one of them twice", hint=example)
        if names and self.language not in names:
            if self.language != "en":
                raise InputError(f"it begins in {self.language!r}, which is none of its languages", hint=example)
            object.__setattr__(self, "language", names[0])
        if not isinstance(given, Mapping):
            object.__setattr__(self, "languages", names)
            return
        object.__setattr__(self, "languages", {name: voice or self.voice for name, voice in voices.items()})
        object.__setattr__(self, "voice", voices.get(self.language) or self.voice)

    def _choose_engine(self) -> None:
        """Have `provider` name the engine. Raises InputError."""
        if self.provider not in ("", PIPELINE, *ENGINES):
            known = ", ".join(f'"{each}"' for each in (*ENGINES, PIPELINE))
            raise InputError(f"provider cannot be {self.provider!r}", hint=f"one of {known}")
        named = self.engine if isinstance(self.engine, str) else None
        if self.engine is not None and (self.provider == PIPELINE or (named and self.provider not in ("", named))):
            raise InputError(
                f"provider={self.provider!r} and engine={named or type(self.engine).__name__} are two answers to one "
                "question",
                hint="leave provider out",
            )
        if self.engine is None and self.provider in ENGINES:
            object.__setattr__(self, "engine", self.provider)

    def unknown_variables(self, voicemail_message: str = "") -> list[str]:
        """Names in braces in prompt, greeting and voicemail that `variables` does not fill."""
        found = _PLACEHOLDER.findall(self.system_prompt + self.first_message + voicemail_message)
        return sorted(set(found) - set(self.variables))


def _check_made(name: str, given: Any) -> None:
    """Find a class whose parentheses were forgotten, alone or in a list. Raises InputError."""
    several = isinstance(given, list | tuple)
    for each in given if several else (given,):
        if isinstance(each, type):
            made = f"{each.__name__}()"
            raise InputError(
                f"{name} {'has' if several else 'is'} the class {each.__name__}, not one that was made",
                hint=f"{name}=[{made}, …]" if several else f"{name}={made}",
            )


def _written(provider: Any) -> str:
    """A provider as an author writes it, without what its parentheses hold."""
    return f'"{provider}"' if isinstance(provider, str) else f"{type(provider).__name__}(…)"


def _as_guardrail(value: Any) -> Guardrail:
    """A Guardrail from a Guardrail or a dict of its arguments. Raises InputError."""
    if isinstance(value, Guardrail):
        return value
    if isinstance(value, Mapping):
        try:
            return guardrail(**value)
        except TypeError as error:
            hint = 'guardrail(name="…", blocked_terms=["…"])'
            raise InputError(f"this is no guardrail: {value!r}", hint=hint) from error
    raise InputError(f"{value!r} is no guardrail", hint='use guardrail(name="…", blocked_terms=["…"])')


def _as_pronunciations(value: Any) -> dict[str, str]:
    """What is written to what is said, both without blanks around them. Raises InputError."""
    hint = 'pronounce={"Nguyen": "win", "SQL": "sequel"}'
    if not isinstance(value, Mapping):
        raise InputError(f"pronounce is {a_kind(value)}, not a dict of words", hint=hint)
    words: dict[str, str] = {}
    for written, said in value.items():
        if not (isinstance(written, str) and isinstance(said, str)):
            raise InputError(f"pronounce cannot say {written!r} as {said!r}: both must be texts", hint=hint)
        if not any(ch.isalnum() for ch in written):
            raise InputError(f"pronounce has no word in {written!r}", hint=hint)
        if not any(ch.isalnum() for ch in said):
            raise InputError(f"pronounce has nothing to say for {written!r}", hint=hint)
        words[" ".join(written.split())] = " ".join(said.split())
    return words


def fill(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a prompt or a line; an unknown {name} stays as it is."""
    return _PLACEHOLDER.sub(lambda m: str(variables.get(m[1], m[0])), text)


@dataclass(frozen=True, slots=True)
class Say:
    """A scripted caller says this once the agent has finished."""

    text: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A scripted caller says this while the agent talks: after so much of its audio, or once it has said the words."""

    text: str
    after_ms: int = field(default=1500, kw_only=True)
    after_words: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class Press:
    """A scripted caller presses these keys."""

    digits: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """A scripted caller hangs up once the agent has finished."""


ScriptStep = Say | Interrupt | Press | HangUp
