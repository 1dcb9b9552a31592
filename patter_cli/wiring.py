"""Names become things, late: the only file that reaches carriers, stores and tunnels; see ready_agents for agents."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, cast

from patter_cli import registry
from patter_cli.callers import CallerRules
from patter_cli.contracts.carrier.carrier import Carrier
from patter_cli.contracts.provider import OutOfPackages
from patter_cli.contracts.store import CallStore
from patter_cli.contracts.stt import SpeechToText
from patter_cli.contracts.tts import TextToSpeech
from patter_cli.contracts.tunnel import Tunnel
from patter_cli.contracts.vad import VoiceModel
from patter_cli.destinations import DialRules
from patter_cli.dial_quota import DialLimits, DialQuota
from patter_cli.engine.ready import ReadyAgent
from patter_cli.errors import BadSetting, ConfigError, MissingCredential, MissingExtra
from patter_cli.extras import install_command
from patter_cli.kept_calls import call_store as call_store
from patter_cli.kept_calls import check_folder as check_folder
from patter_cli.kept_calls import default_folder as default_folder
from patter_cli.kept_calls import kept_calls as kept_calls
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.prices import PriceTable
from patter_cli.opting_out import do_not_call as do_not_call
from patter_cli.ready_agents import ready_agent as ready_agent
from patter_cli.settings import ROWS, Settings

if TYPE_CHECKING:
    from patter_cli.carriers.loopback import carrier as loopback
    from patter_cli.observe.bus import Observer
    from patter_cli.observe.notify import Notifier
    from patter_cli.observe.otel import Telemetry
    from patter_cli.server.number_setup import NumberSetup
    from patter_cli.server.service import Service, ServiceSettings
    from patter_cli.web.site import Site

log = logging.getLogger(__name__)

SENT_S = 3.0
"""What call events get to be sent in, once a server has stopped."""


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
    """Every carrier whose keys are set, or that needs none, by name. named: this one instead,
    with the built-in line and the softphone.

    Raises UnknownProvider, MissingCredential, MissingExtra, ConfigError.
    """
    if named:
        row, line = registry.find("carrier", named), built_in_line()
        if row.keys and not row.key_set():
            raise MissingCredential(f"{named} needs {row.keys[0]}", hint=f"export {row.keys[0]}=…")
        return {line.name: line, "browser": registry.find("carrier", "browser").load()(), row.name: row.load()()}
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
    site: Site | None = None,
    notifier: Notifier | None = None,
    telemetry: Telemetry | None = None,
) -> Service:
    """Agents on the phone. store None: nothing is kept. voice None: the built-in detector. carried_by None: every
    carrier there is. site: what is to be seen of it; None: nothing. notifier: tells somebody's server of
    calls. telemetry: sends traces and logs. Raises BadSetting, MissingExtra."""
    from patter_cli.providers.inference import POOL
    from patter_cli.server.service import Service, ServiceSettings

    kept = store or call_store(None)
    service = Service(
        settings or ServiceSettings(),
        agents,
        carriers() if carried_by is None else carried_by,
        kept,
        voice_model=voice or voice_model(),
        observers=(
            *observers,
            *(site.observers if site is not None else ()),
            *(each for each in (notifier, telemetry) if each is not None),
        ),
        speech=POOL,
        site=site,
    )
    if site is not None:
        site.serve(service)
    if telemetry is not None:
        logging.getLogger().addHandler(telemetry.handler)
        service.closing += [lambda: logging.getLogger().removeHandler(telemetry.handler), telemetry.close]
    if notifier is not None:
        service.opening.append(lambda: notifier.take_up(kept.journal))
        service.closing.append(lambda: notifier.close(SENT_S))
        if site is not None:
            site.metering.more.append(notifier.sent)
    return service


def site(settings: Settings, store: CallStore, *, token: str = "", prices: PriceTable = LIST_PRICES) -> Site:
    """What is to be seen of the calls in a store, and of a server that holds them. token: in place of the settings'.
    Raises BadSetting for one that could be guessed."""
    from patter_cli.web.access import Access
    from patter_cli.web.site import Site

    token = token or settings.dashboard_token
    check_token(token)
    return Site(
        store,
        Access(token),
        exposed=settings.expose_dashboard,
        number=settings.phone_number,
        prices=prices,
    )


def check_token(token: str) -> None:
    """Raises BadSetting for one that could be guessed; "" is fine, since one is made then."""
    from patter_cli.web.access import MIN_TOKEN_CHARS

    if token and len(token) < MIN_TOKEN_CHARS:
        raise BadSetting(
            f"the dashboard's token is too short: {MIN_TOKEN_CHARS} characters at least",
            hint="without any, one is made; a good one: export PATTER_DASHBOARD_TOKEN=$(openssl rand -hex 32)",
        )


def notifier(
    settings: Settings, prices: PriceTable = LIST_PRICES, *, store: CallStore | None = None
) -> Notifier | None:
    """What posts call events where the settings say; None where they do not. store: where they wait until they are
    taken; None: nowhere beyond this process. Raises BadSetting."""
    if not settings.notify_url:
        return None
    from patter_cli.observe.notify import Notifier, NotifySettings

    return Notifier(
        NotifySettings(
            url=settings.notify_url,
            secret=settings.webhook_secret,
            events=settings.notify_events,
            allow_private=settings.notify_private,
        ),
        prices,
        outbox=store.outbox(settings.notify_url) if store is not None else None,
    )


def telemetry(settings: Settings, prices: PriceTable = LIST_PRICES) -> Telemetry | None:
    """What sends traces and logs where the settings say; None where they do not.

    Raises BadSetting, and MissingExtra where somebody asks for it here. A variable that is meant for every program of a
    machine asks of ours nothing that it has not got.
    """
    if not settings.otel_endpoint:
        return None
    from patter_cli.observe.otel import Telemetry

    try:
        return Telemetry(settings.otel_endpoint, settings.otel_headers, prices)
    except MissingExtra as error:
        if settings.origin("otel_endpoint").source == "patter.toml":
            raise
        log.warning("no traces are sent: %s; %s", error, error.hint)
        return None


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


def carrier_keys_hint() -> str:
    """What to type to have a carrier."""
    rows = sorted((each for each in registry.rows("carrier") if each.keys), key=lambda each: len(each.keys))
    exports = (f"export {' '.join(f'{key}=…' for key in each.keys)} ({each.name})" for each in rows)
    return f"{', or '.join(exports)}; then patter doctor"


def number_setup(carried_by: Mapping[str, Carrier], number: str) -> NumberSetup:
    """What points a number at a server. Raises InputError, ConfigError where it is not clear whose number it is."""
    from patter_cli.server.number_setup import NumberSetup

    found = [each for each in carried_by.values() if not each.local]
    if not found:
        raise ConfigError("no carrier's keys are set", hint=carrier_keys_hint())
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
