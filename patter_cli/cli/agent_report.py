"""All that can be said of an agent before it holds a call: what its model is told, what it runs on, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from patter_cli import keys, recipes, registry, wiring
from patter_cli.agent import Agent
from patter_cli.call_plan import plan_of
from patter_cli.cli.discovery import LoadedAgent
from patter_cli.core.plan import CallPlan
from patter_cli.engine.call_tools import call_tools
from patter_cli.engine.dialogue import told_prompt
from patter_cli.engine.hooks import Hooks
from patter_cli.engine.mcp_tools import McpTool
from patter_cli.engine.ready import ReadyAgent
from patter_cli.engine.respelt import RespeltVoice
from patter_cli.engine.tools import ready_tools
from patter_cli.errors import PatterError
from patter_cli.settings import ROWS, Settings
from patter_cli.tools import Tool

_WEBHOOK_SECRET = ROWS["webhook_secret"].variable

_SAYS_AI = re.compile(
    r"\b(?:A\.?I|I\.?A|K\.?I)\b|(?i:\bautom[aá]t|artific|künstlich|\bvirtu[ae]l|\brobot|\bbot\b|\bcomputer|chatbot"
    r"|digital(?:e|er)? assist|language model|\bmachine\b|not a (?:human|person))"
)
"""Words by which a greeting discloses what is speaking, in English and its neighbours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """Where a secret comes from. origin: "argument", "environment", ".env", "agent file", "not set", "none"."""

    origin: str
    variable: str = ""
    """The environment variable it is looked for in; "" if it is not."""
    masked: str = ""
    """The secret's last four characters behind stars."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One of ears, mind and voice. chosen: whether the agent's author named it. settings: without its key."""

    stage: str
    provider: str
    settings: Mapping[str, Any]
    chosen: bool
    key: Key


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTool:
    """A tool as the model gets it, and what stands behind it. runs: "function", "webhook", "mcp" or "built in"."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    runs: str
    url: str = ""
    """A webhook's, without its query."""
    timeout_s: float | None = None
    key: Key | None = None
    """What a webhook's requests are signed with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGuardrail:
    name: str
    blocked_terms: tuple[str, ...]
    has_check: bool
    replacement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something to see to. exit_code: 0 for a warning, else that of the error which a call would meet."""

    code: str
    message: str
    hint: str
    exit_code: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentReport:
    """An agent with everything resolved that can be."""

    name: str
    path: str
    language: str
    prompt: str
    """As the model gets it."""
    greeting: str
    variables: Mapping[str, str]
    pronounce: Mapping[str, str]
    stages: tuple[Stage, ...]
    callbacks: tuple[str, ...]
    guardrails: tuple[KnownGuardrail, ...]
    transfer_numbers: tuple[str, ...]
    tools: tuple[KnownTool, ...]
    problems: tuple[Problem, ...]


def portray(loaded: LoadedAgent, settings: Settings) -> AgentReport:
    """Find out about an agent what can be; what fails becomes a problem. Asks no vendor anything."""
    agent, problems = loaded.agent, []
    ready: ReadyAgent | None = None
    tools: Mapping[str, Tool] = {}
    try:
        agent = recipes.with_providers(agent)
        tools = ready_tools(agent.tools, webhook_secret=settings.webhook_secret)
        ready = wiring.ready_agent(loaded.name, agent, Hooks(**loaded.hooks), settings)
        tools = ready.tools
        wiring.check_packages(ready)
    except PatterError as error:
        problems.append(problem_of(error))
    plan = ready.plan if ready else plan_of(loaded.name, _that_plans(agent), {}, tools)
    problems += (
        Problem(code="misspelt_callback", message=f"nobody calls {name}", hint=f"did you mean {meant}?")
        for name, meant in loaded.misspelt.items()
    )
    problems += _lint(agent, plan.first_message, tools)
    return AgentReport(
        name=loaded.name,
        path=str(loaded.path),
        language=agent.language,
        prompt=told_prompt(plan),
        greeting=plan.first_message,
        variables=dict(agent.variables),
        pronounce=dict(agent.pronounce),
        stages=tuple(_stages(agent, ready, settings)),
        callbacks=tuple(loaded.hooks),
        guardrails=tuple(
            KnownGuardrail(
                name=rule.name,
                blocked_terms=tuple(rule.blocked_terms),
                has_check=rule.check is not None,
                replacement=rule.replacement,
            )
            for rule in agent.guardrails
        ),
        transfer_numbers=plan.transfer_numbers,
        tools=(*(_known(each, settings) for each in tools.values()), *_always(plan)),
        problems=tuple(problems),
    )


def _that_plans(agent: Agent) -> Agent:
    """The agent, without an engine of which nothing can be known: a name that is nobody's, or what is no engine."""
    return agent if recipes.is_one(agent.engine, "engine") else replace(agent, engine=None, provider="")


def problem_of(error: PatterError) -> Problem:
    """An error that a call would meet, as something to report."""
    return Problem(code=error.code, message=str(error), hint=error.hint, exit_code=error.exit_code)


def _stages(agent: Agent, ready: ReadyAgent | None, settings: Settings) -> Iterable[Stage]:
    """What the author named, or what was chosen instead; each of several that stand in for one another."""
    engine = agent.engine if ready is None else ready.engine
    if engine is not None:
        yield Stage(
            stage="engine",
            provider=_name(engine),
            settings=_settings(engine),
            chosen=agent.engine is not None,
            key=_key(engine, settings),
        )
        return
    named = {"stt": agent.stt, "llm": agent.llm, "tts": agent.tts, "end of turn": agent.turns.end_of_turn}
    stt, tts = (ready.stt, ready.tts) if ready else wiring.built_in_speech()
    tts = tts.voice if isinstance(tts, RespeltVoice) else tts
    chosen: dict[str, Any] = {"stt": stt, "llm": ready.models if ready else (), "tts": tts}
    for stage, own in named.items():
        providers: Any = own if own is not None else chosen.get(stage, ())
        several = isinstance(providers, Sequence) and not isinstance(providers, str)
        for provider in providers if several else [providers]:
            yield Stage(
                stage=stage,
                provider=_name(provider),
                settings=_settings(provider),
                chosen=own is not None,
                key=_key(provider, settings),
            )


def _name(provider: Any) -> str:
    """A class's own name; where it is only its contract's, its module says whose it is."""
    if isinstance(provider, str):
        return provider
    kind = type(provider)
    generic = kind.__name__ in ("SpeechToText", "TextToSpeech", "LanguageModel")
    return kind.__module__.rpartition(".")[2] if generic and _ours(provider) else kind.__qualname__


def _ours(provider: Any) -> bool:
    """Or a registered vendor's."""
    return type(provider).__module__.startswith("patter_cli.providers.") or any(
        row.makes(provider) for row in registry.installed()
    )


def _settings(provider: Any) -> dict[str, Any]:
    """What was set on one of ours, as far as it is plain and no secret."""
    if not (_ours(provider) and is_dataclass(provider)):
        return {}
    shown = {each.name: getattr(provider, each.name) for each in fields(provider) if each.repr}
    return {
        name: _bare(value) if isinstance(value, str) and name.endswith("url") else value
        for name, value in shown.items()
        if isinstance(value, str | int | float) and value != ""
    }


def _key(provider: Any, settings: Settings) -> Key:
    """Of one of ours; somebody's own class is asked nothing."""
    if not _ours(provider):
        return Key(origin="none")
    if hasattr(provider, "api_key") and provider.api_key:
        return Key(origin="argument", masked=masked(provider.api_key))
    if hasattr(provider, "key_variable") and provider.key_variable:
        return _found(keys.set_as(provider.key_variable), keys.look_up(provider.key_variable), settings)
    return Key(origin="none")


def _found(variable: str, value: str, settings: Settings) -> Key:
    origin = settings.variables.get(variable, "agent file") if value else "not set"
    return Key(origin=origin, variable=variable, masked=masked(value))


def masked(secret: str) -> str:
    """A secret as it may be shown: its end, if that gives little away."""
    return f"****{secret[-4:]}" if len(secret) >= 12 else "****" if secret else ""


def _known(tool: Tool, settings: Settings) -> KnownTool:
    key = None
    if tool.webhook_url:
        signed_by_own = bool(tool.secret) and tool.secret != settings.webhook_secret
        key = (
            Key(origin="argument", masked=masked(tool.secret))
            if signed_by_own
            else _found(_WEBHOOK_SECRET, settings.webhook_secret, settings)
        )
    return KnownTool(
        name=tool.name,
        description=tool.description,
        parameters=tool.accepts.schema,
        runs="webhook" if tool.webhook_url else "mcp" if isinstance(tool, McpTool) else "function",
        url=_bare(tool.webhook_url),
        timeout_s=tool.timeout_s,
        key=key,
    )


def _always(plan: CallPlan) -> Iterable[KnownTool]:
    for spec in call_tools(plan):
        yield KnownTool(name=spec.name, description=spec.description, parameters=spec.parameters, runs="built in")


def _bare(url: str) -> str:
    """An address without what may be a secret in it: user, password, query."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _lint(agent: Agent, greeting: str, tools: Mapping[str, Tool]) -> Iterable[Problem]:
    """What works and is still likely not meant."""
    if not _SAYS_AI.search(greeting or agent.system_prompt):
        which = "its greeting does not" if greeting else "neither a greeting nor its prompt does"
        yield Problem(
            code="no_disclosure",
            message=f"{which} say that it is an AI; on calls that you place, the law of many places wants that said",
            hint='first_message="Hello, this is the automated assistant of …"',
        )
    for name in agent.variables:
        if "{" + name + "}" not in agent.system_prompt + agent.first_message:
            yield Problem(
                code="unused_variable",
                message=f"nothing uses the variable {name}",
                hint=f"write {{{name}}} where it belongs, or leave it out",
            )
    for tool in tools.values():
        if not tool.description.strip():
            yield Problem(
                code="undescribed_tool",
                message=f"tool {tool.name} has no description, so the model must guess when to use it",
                hint="give the function a docstring",
            )
