"""Names become things, late: the only file that reaches vendors and carriers."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from patter_cli import recipes, registry
from patter_cli.agent import E164, Agent, fill
from patter_cli.audio.echo import NlmsEchoCanceller
from patter_cli.callers import CallerRules
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.echo import EchoCanceller
from patter_cli.contracts.llm import LanguageModel
from patter_cli.contracts.provider import OutOfPackages
from patter_cli.contracts.s2s import SpeechEngine
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.contracts.tunnel import Tunnel
from patter_cli.contracts.vad import VoiceModel
from patter_cli.core.plan import BlockedTerms, CallPlan, PlannedTool, TurnTiming
from patter_cli.destinations import DialRules, DoNotCall
from patter_cli.dial_quota import DialLimits, DialQuota
from patter_cli.engine.answer_service import AnswerService, ready_service
from patter_cli.engine.author_model import AuthorModel
from patter_cli.engine.converse import engine_plan
from patter_cli.engine.fallback import Breakers
from patter_cli.engine.filtering import is_audio_filter
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.ready import CallTexts, Check, ReadyAgent
from patter_cli.engine.shapes import check_hooks, check_shape
from patter_cli.engine.tools import ready_tools
from patter_cli.errors import ConfigError, InputError, MissingCredential, MissingExtra, PatterError
from patter_cli.extras import install_command
from patter_cli.kept_calls import call_store as call_store
from patter_cli.kept_calls import check_folder as check_folder
from patter_cli.kept_calls import default_folder as default_folder
from patter_cli.kept_calls import kept_calls as kept_calls
from patter_cli.opting_out import bind_opt_out
from patter_cli.settings import DEFAULTS, ROWS, Settings
from patter_cli.text.preamble import with_preamble
from patter_cli.tools import Tool

if TYPE_CHECKING:
    from patter_cli.carriers.loopback import carrier as loopback
    from patter_cli.observe.bus import Observer
    from patter_cli.server.number_setup import NumberSetup
    from patter_cli.server.service import Service, ServiceSettings

log = logging.getLogger(__name__)

MODEL_GIVE_UP_MS = 33_000
"""A model's first word may take 30 s (engine.model.LAST_FIRST_S); the wait is bridged, and its own error ends it."""

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

_NUMBER = re.compile(r"(?<![0-9+])\+[1-9](?:[ .()-]{0,2}[0-9]){6,14}(?![0-9])")
"""A phone number as people write it into a prompt."""


def do_not_call(settings: Settings) -> DoNotCall:
    """The list of who wants no calls."""
    return DoNotCall(settings.do_not_call or default_folder() / "do-not-call.txt")


def dial_rules(settings: Settings) -> DialRules:
    """Whom this user's servers may ring."""
    limits = DialLimits(
        number_a_minute=settings.max_per_number_minute,
        number_a_day=settings.max_per_number_day,
        all_a_day=settings.max_per_day,
    )
    return DialRules(
        allow=frozenset(settings.allow),
        hours=settings.hours,
        do_not_call=do_not_call(settings),
        quota=DialQuota(default_folder() / "dialled", limits),
    )


def caller_rules(settings: Settings) -> CallerRules:
    """Who may call this user's servers, and how often."""
    return CallerRules(
        at_once=settings.max_per_caller,
        an_hour=settings.max_per_caller_hour,
        blocked=frozenset(settings.blocked),
        busy_message=settings.busy_message,
    )


def voice_model() -> VoiceModel:
    """The voice detector's model, loaded once per process. Raises MissingExtra."""
    return cast(VoiceModel, registry.keyless("vad").load()())


def built_in_line() -> loopback.Carrier:
    """The carrier that needs no account."""
    return cast("loopback.Carrier", registry.keyless("carrier").load()())


def check_packages(agent: ReadyAgent) -> None:
    """Whether all that a spoken call with this agent works with is installed; loads none of it. Raises MissingExtra."""
    parts: tuple[object, ...] = (*agent.ears, agent.tts, *agent.tts_fallbacks, agent.end_of_turn)
    for each in (registry.keyless("vad").load(), *parts):
        if isinstance(each, OutOfPackages):
            each.check_packages()


def carriers(named: str = "") -> dict[str, Carrier]:
    """Every carrier whose keys are set, or that needs none, by name. named: this one and the built-in line instead.

    Raises UnknownProvider, MissingCredential, MissingExtra, ConfigError.
    """
    if named:
        row, line = registry.find("carrier", named), built_in_line()
        if row.keys and not row.key_set():
            raise MissingCredential(f"{named} needs {row.keys[0]}", hint=f"export {row.keys[0]}=…")
        return {line.name: line, row.name: row.load()()}
    usable = (row for row in registry.rows("carrier") if row.key_set() or not (row.keys or row.on_request))
    return {row.name: row.load()() for row in usable}


def service(
    agents: Mapping[str, ReadyAgent],
    settings: ServiceSettings | None = None,
    *,
    store: CallStore | None = None,
    observers: tuple[Observer, ...] = (),
    voice: VoiceModel | None = None,
    carried_by: Mapping[str, Carrier] | None = None,
) -> Service:
    """Agents on the phone. store None: nothing is kept. voice None: the built-in detector. carried_by None: every
    carrier there is. Raises BadSetting, MissingExtra."""
    from patter_cli.providers.inference import POOL
    from patter_cli.server.service import Service, ServiceSettings

    return Service(
        settings or ServiceSettings(),
        agents,
        carriers() if carried_by is None else carried_by,
        store or call_store(None),
        voice_model=voice or voice_model(),
        observers=observers,
        speech=POOL,
    )


def tunnel(name: str) -> Tunnel:
    """The tunnel that somebody named. Raises UnknownProvider."""
    return cast(Tunnel, registry.find("tunnel", name).load()())


def tunnel_program() -> str:
    """The tunnel's program that this machine has, with its version; "" for none. Blocks. Raises ConfigError for one
    that would not be run."""
    from patter_cli.tunnels.binary import present_cloudflared

    found = present_cloudflared(None)
    return f"{found.version}, {found.path}" if found is not None else ""


def fixed_address(host: str) -> Tunnel:
    """A public address that somebody else leads here. Raises BadSetting."""
    return cast(Tunnel, registry.find("tunnel", "fixed").load()(host))


def number_setup(carried_by: Mapping[str, Carrier], number: str) -> NumberSetup:
    """What points a number at a server. Raises InputError, ConfigError where it is not clear whose number it is."""
    from patter_cli.server.number_setup import NumberSetup

    found = [each for each in carried_by.values() if not each.local]
    if not found:
        raise ConfigError("no carrier's keys are set", hint="export those of your carrier, then: patter doctor")
    if len(found) > 1:
        raise ConfigError(
            f"the keys of {' and '.join(each.name for each in found)} are set: whose is {number}?",
            hint=f"--carrier {found[0].name}",
        )
    return NumberSetup(found[0], number, default_folder() / "numbers")


def signing_secret(settings: Settings, carried_by: Mapping[str, Carrier]) -> bytes:
    """What this user's servers sign with. Raises BadSetting."""
    if all(each.local for each in carried_by.values()) and not settings.secret_key:
        return secrets.token_bytes(32)  # nothing that is signed would leave the process, so none has to be kept
    from patter_cli.server.secret import signing_secret as secret_of

    named = settings.origin("secret_key").where or ROWS["secret_key"].variable
    return secret_of(settings.secret_key, settings.log_dir or default_folder(), named=named)


def built_in_speech() -> tuple[SpeechToText, TextToSpeech]:
    """Recognition and voice that need no account."""
    return registry.keyless("stt").load()(), registry.keyless("tts").load()()


def local_models() -> dict[str, Callable[[], str]]:
    """The models that run on this machine, by name: each reads its files, blocking, and says what they are. Raises
    MissingExtra where one is not there, or is not the file we know."""

    def look(module: str, extra: str) -> str:
        from patter_cli.providers.inference import verified

        known = import_module(f"patter_cli.providers.{module}")
        try:
            sizes = [len(verified(known.PACKAGE, path, sha256)) for path, sha256 in known.FILES.items()]
        except MissingExtra as error:
            raise MissingExtra(f"{known.PACKAGE} is not whole, or not there", hint=install_command(extra)) from error
        count = len(sizes)
        return f"{known.PACKAGE}: {count} file{'s' * (count > 1)}, {sum(sizes) / 1e6:.0f} MB, as known by SHA-256"

    rows = {"silero": "silero", "moonshine": "moonshine_model", "joe": "joe_network"}
    found: dict[str, Callable[[], str]] = {name: partial(look, module, "local") for name, module in rows.items()}
    return {**found, "smart-turn": partial(look, "smart_turn", "turns")}


def built_in_caller(voice: str) -> TextToSpeech:
    """Another built-in voice, for a caller of our own."""
    return cast(TextToSpeech, registry.keyless("tts").load()(voice))


def ready_agent(
    name: str, agent: Agent, hooks: Hooks, settings: Settings = DEFAULTS, *, voicemail_message: str = ""
) -> ReadyAgent:
    """Resolve what the agent left open and check that it can hold a call. Raises PatterError."""
    if not name.strip():
        raise InputError("an agent needs a name: callers choose it by its name", hint='name="receptionist"')
    if isinstance(hooks.on_message, str | AnswerService):
        hooks = replace(hooks, on_message=ready_service(hooks.on_message, settings.webhook_secret))
    check_hooks(hooks)
    for rule in agent.guardrails:
        if rule.check is not None:
            check_shape(f"the check of guardrail {rule.name}", rule.check, "check=lambda clause: …")
    agent = recipes.with_providers(agent)
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
    notes: dict[str, str] = {}
    models = () if agent.engine is not None else _models(name, agent, hooks, notes)
    recipes.check(name, "engine", recipes.several(agent.engine))
    recipes.check(name, "stt", recipes.several(agent.stt))
    recipes.check(name, "tts", recipes.several(agent.tts))
    recipes.check(name, "llm", models)
    if agent.engine is not None:
        open_stt: tuple[SpeechToText, ...] = (registry.keyless("stt").load()(),)  # whom nobody asks
    else:
        open_stt = (recipes.left_open("stt", notes),) if agent.stt is None else ()
    open_tts = (recipes.left_open("tts", notes),) if agent.tts is None else ()
    breakers = Breakers()
    unwanted = do_not_call(settings)
    tools = ready_tools(bind_opt_out(agent.tools, unwanted), webhook_secret=settings.webhook_secret)
    canceller = _echo_canceller(agent.echo_cancellation)
    if agent.voice and recipes.stands_in(agent.voice, (recipes.several(agent.tts) or open_tts)[0]):
        notes["voice"] = f"voice {agent.voice}: a vendor's, who needs a key; the built-in one speaks instead"

    def resolve(changed: Agent, parameters: Mapping[str, str], texts: CallTexts) -> ReadyAgent:
        known = tools
        if changed.tools != agent.tools:
            known = ready_tools(bind_opt_out(changed.tools, unwanted), webhook_secret=settings.webhook_secret)
        if changed.tts is not agent.tts:
            recipes.check(name, "tts", recipes.several(changed.tts))
        if changed.llm is not agent.llm:
            recipes.check(name, "llm", recipes.several(changed.llm))
        stt, *other_stt = recipes.several(changed.stt) or open_stt
        tts, *other_tts = recipes.several(changed.tts) or open_tts
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
            stt=recipes.heard_by(changed, stt),
            tts=recipes.voice_of(changed, tts),
            hooks=hooks,
            stt_fallbacks=tuple(recipes.heard_by(changed, each) for each in other_stt),
            tts_fallbacks=tuple(recipes.said_right(changed, each) for each in other_tts),
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
        theirs = replace(hooks, on_message=None) if given.llm is not None else hooks
        try:
            chosen = ready_agent(name, given, theirs, settings, voicemail_message=voicemail_message)
            return chosen.for_call(texts)
        except PatterError as error:
            log.error("on_call_start gave an agent that cannot be used: %s", error)
            return None

    return resolve(agent, {}, CallTexts(detects_machines=False))


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


def plan_of(
    name: str,
    agent: Agent,
    parameters: Mapping[str, str],
    tools: Mapping[str, Tool],
    *,
    drafts: bool = False,
    voicemail_message: str = "",
    screens_machines: bool = False,
) -> CallPlan:
    """One call's plan: variables filled in, the caller's parameters among them."""
    variables = {**agent.variables, **parameters}
    prompt = fill(agent.system_prompt, variables)
    pace = TurnTiming(barge_in_threshold_ms=agent.barge_in_threshold_ms)
    if drafts:
        pace = replace(pace, give_up_ms=MODEL_GIVE_UP_MS)
    turns = agent.turns
    if turns.endpoint_ms is not None:
        pace = replace(pace, endpoint_ms=turns.endpoint_ms)
    if turns.endpoint_unfinished_ms is not None:
        pace = replace(pace, endpoint_unfinished_ms=turns.endpoint_unfinished_ms)
    if turns.idle_ms is not None:
        pace = replace(pace, idle_ms=turns.idle_ms)
    if turns.idle_asks is not None:
        pace = replace(pace, idle_asks=turns.idle_asks)
    return CallPlan(
        agent=name,
        system_prompt=prompt if agent.disable_phone_preamble else with_preamble(prompt, tools=True),
        first_message=fill(agent.first_message, variables),
        language=agent.language,
        pace=pace,
        blocked=tuple(
            BlockedTerms(name=rule.name, terms=tuple(rule.blocked_terms), replacement=rule.replacement)
            for rule in agent.guardrails
            if rule.blocked_terms
        ),
        checks=tuple(rule.name for rule in agent.guardrails if rule.check is not None),
        tools=tuple(PlannedTool(name=each.name, timeout_ms=round(each.timeout_s * 1000)) for each in tools.values()),
        transfer_numbers=transfer_numbers(agent),
        drafts=drafts,
        predicts_end_of_turn=turns.end_of_turn is not None,
        engine=None if agent.engine is None else engine_plan(cast(SpeechEngine, agent.engine).abilities),
        voicemail_message=fill(voicemail_message, variables),
        screens_machines=screens_machines,
    )


def transfer_numbers(agent: Agent) -> tuple[str, ...]:
    """Whom a caller may be connected to: the configured numbers, and those the author wrote into the prompt.

    What a call brings with it, its custom parameters, is not the author's word and adds none.
    """
    written = (match[0] for match in _NUMBER.finditer(fill(agent.system_prompt, agent.variables)))
    numbers = ["+" + "".join(ch for ch in each if ch.isdigit()) for each in written]
    return tuple(dict.fromkeys((*(agent.transfer_numbers or ()), *(each for each in numbers if E164.fullmatch(each)))))


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
