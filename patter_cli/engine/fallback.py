"""Who is asked when a provider fails: the same again, the next one, or nobody. One policy for ears, mind and voice.

Theory of operation. A request goes through a Chain of providers that stand in for one another. Each failure has a
Fault, which says what may help: a refused key never does, a vendor that is down may be up again in a moment, one that
was late has used up what the caller will wait. The Chain says how long to wait until the next attempt, and moves on by
itself.

Beside it, the Breakers remember across calls. A provider that has failed OPEN_AFTER times running is asked last, so
that callers do not all wait for it; every PROBE_S one request tries it in its place again, and the first success ends
the matter. Nobody is ever left out: where all have failed, or there is but one, it is asked.

A call that has not begun is another matter: it need not begin while a vendor that it cannot do without is in trouble.
Of callers one in PROBE_S is let in to find out, and all of them once nothing has failed for a while. Whom we would ring
waits twice as long after each time that it was in vain: they did not ask for the call.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Generic, TypeVar

from patter_cli.contracts.provider import name_of
from patter_cli.errors import (
    ConfigError,
    NoCredit,
    NotOffered,
    PatterError,
    ProviderError,
    RateLimited,
    TimedOut,
    Unauthorized,
    Unavailable,
)

log = logging.getLogger(__name__)

OPEN_AFTER = 3
"""Failures running, of any call, after which a provider is asked last."""
PROBE_S = 15.0
"""So often one that is asked last gets another chance. Source: RELIABILITY 3.1."""
FORGOTTEN_S = 60.0
"""After so long without another failure callers are let in as ever."""
LONGEST_REST_S = 600.0
"""So long at most nobody is rung after it was in vain."""
LONGEST_WAIT_S = 2.0
"""What a vendor's "come back later" may cost the caller; a longer one sends us to the next provider."""
_REMEMBERED = 256
"""Providers in trouble at most: an agent may make new ones for each call."""

Recipe = TypeVar("Recipe")


class Fault(Enum):
    """What kind of failure it was, which is what may help."""

    REFUSED = "refused"
    """Our key, our account or our set-up is not accepted: nothing helps."""
    BUSY = "busy"
    """Too many requests: later."""
    DOWN = "down"
    """Not reachable, or broke off: perhaps again at once."""
    LATE = "late"
    """Did not answer in time, which is gone."""
    WRONG = "wrong"
    """Answered with what it should not have."""
    BUG = "bug"
    """Its code raised something that we have no name for."""


VENDORS: Final = frozenset({Fault.REFUSED, Fault.BUSY, Fault.DOWN, Fault.LATE})
"""What the next call would find as this one did. A wrong answer, or a bug of an author's, may be this call's own."""


def fault_of(error: BaseException) -> Fault:
    """The kind of a failure."""
    match error:
        case Unauthorized() | NoCredit() | NotOffered() | ConfigError():
            return Fault.REFUSED
        case RateLimited():
            return Fault.BUSY
        case TimedOut() | TimeoutError():
            return Fault.LATE
        case Unavailable() | OSError():
            return Fault.DOWN
        case PatterError():
            return Fault.WRONG
        case _:
            return Fault.BUG


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How hard one stage tries.

    stage: for the log. tries: of one provider, as long as nothing of its answer has come. backoff_s: before the second,
    then twice as long. stubborn: whether the last provider is tried again even if it was late or wrong, because without
    it there is silence.
    """

    stage: str
    tries: int
    backoff_s: float
    stubborn: bool


EARS = Policy(stage="recognition", tries=3, backoff_s=0.2, stubborn=True)
MIND = Policy(stage="the model", tries=2, backoff_s=0.4, stubborn=False)
"""The last model has had half a minute, bridged by a spoken line: that is not asked of a caller twice."""
VOICE = Policy(stage="the voice", tries=2, backoff_s=0.1, stubborn=True)


@dataclass(slots=True)
class _Trouble:
    failures: int = 0
    """Running."""
    until_s: float = 0.0
    """When the next request may try it first again; it counts once `is_open`."""
    is_open: bool = False
    """It is asked last."""
    fault: Fault = Fault.BUG
    why: str = ""
    named: bool = False
    """It has a name of ours: an author's own code may raise anything, for reasons of that one call's."""
    failed_s: float = 0.0
    tried_s: float = 0.0
    """When it last failed, or a call was let through to find out."""
    in_vain: int = 0
    """How often a call that was let through has failed as well."""

    @property
    def would_last(self) -> bool:
        """Whether the next call would find it so."""
        enough = self.failures >= OPEN_AFTER or self.fault is Fault.REFUSED
        return enough and self.fault in VENDORS and self.named

    def keeps_out(self, now_s: float, *, rung: bool) -> bool:
        """Whether a call need not begin. rung: it is one that we make."""
        if not self.would_last:
            return False
        if rung:
            return now_s < self.tried_s + min(PROBE_S * (1 << min(self.in_vain, 8)), LONGEST_REST_S)
        return now_s < min(self.tried_s + PROBE_S, self.failed_s + FORGOTTEN_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hindrance:
    """Why a call should not begin. refused: nothing that passes by itself."""

    why: str
    refused: bool


class Breakers:
    """Which providers are in trouble, over all calls of an agent. Times are the event loop's, in seconds."""

    def __init__(self) -> None:
        self._trouble: dict[object, tuple[object, _Trouble]] = {}
        """By recipe, for equal ones are one vendor's; it is kept beside its trouble, so that its id stays its own."""

    def ordered(self, recipes: Sequence[Recipe], now_s: float) -> list[Recipe]:
        """Those who are well, in their order, then those in trouble. Whose time has come is tried, by one caller."""
        well, ill = [], []
        for each in recipes:
            trouble = self._of(each)
            if trouble is None or not trouble.is_open:
                well.append(each)
            elif now_s >= trouble.until_s:
                trouble.until_s = now_s + PROBE_S
                well.append(each)
            else:
                ill.append(each)
        return [*well, *ill]

    def is_open(self, recipe: object, now_s: float) -> bool:
        """Whether this one is asked last at present."""
        trouble = self._of(recipe)
        return trouble is not None and trouble.is_open and now_s < trouble.until_s

    def hindrance(self, stages: Iterable[Sequence[object]], now_s: float, *, rung: bool) -> Hindrance | None:
        """Why a call would find nobody to hear, think or speak for it; None if it may begin.

        stages: for each those who stand in for one another. rung: we make the call.
        """
        due: list[_Trouble] = []
        for recipes in stages:
            known = [self._of(each) for each in recipes]
            troubles = [each for each in known if each is not None and each.would_last]
            if not troubles or len(troubles) < len(known):
                continue
            if all(each.keeps_out(now_s, rung=rung) for each in troubles):
                refused = all(each.fault is Fault.REFUSED for each in troubles)
                how = "refuses us" if refused else "fails"
                return Hindrance(why=f"{name_of(recipes[0])} {how}: {troubles[0].why}", refused=refused)
            due += [each for each in troubles if not each.keeps_out(now_s, rung=rung)]
        for each in due:
            each.tried_s = now_s
        return None

    def succeeded(self, recipe: object) -> None:
        """It has answered, and all is forgotten."""
        self._trouble.pop(_key(recipe), None)

    def failed(self, recipe: object, error: BaseException, now_s: float) -> None:
        """It has not."""
        _, trouble = self._trouble.setdefault(_key(recipe), (recipe, _Trouble()))
        fault = fault_of(error)
        come_back_s = (error.retry_after_s if isinstance(error, ProviderError) else None) or 0.0
        trouble.in_vain += trouble.failures >= OPEN_AFTER and now_s >= trouble.failed_s + PROBE_S
        trouble.failures += 1
        trouble.fault, trouble.named = fault, isinstance(error, PatterError)
        trouble.why = str(error) or repr(error)
        trouble.failed_s = trouble.tried_s = now_s
        trouble.is_open |= trouble.failures >= OPEN_AFTER or fault is Fault.REFUSED or come_back_s > LONGEST_WAIT_S
        if trouble.is_open:
            trouble.until_s = now_s + max(PROBE_S, come_back_s)
        while len(self._trouble) > _REMEMBERED:
            del self._trouble[next(iter(self._trouble))]

    def _of(self, recipe: object) -> _Trouble | None:
        known = self._trouble.get(_key(recipe))
        return known[1] if known is not None else None


def _key(recipe: object) -> object:
    """What tells one vendor's service from another. A vendor's recipe is the same one in another voice, or with other
    words to listen for, as on_call_start may make it for each call."""
    if getattr(recipe, "key_variable", ""):
        given = (getattr(recipe, name, None) for name in ("api_key", "base_url", "model"))
        return type(recipe), *given
    try:
        hash(recipe)
    except TypeError:  # an author's own may hold a list
        return id(recipe)
    return recipe


class Chain(Generic[Recipe]):
    """One request's way through the providers that could answer it."""

    def __init__(
        self,
        recipes: Sequence[Recipe],
        policy: Policy,
        breakers: Breakers,
        now_s: float,
        *,
        first: Recipe | None = None,
    ) -> None:
        """first: who has answered this call so far, and is asked before the others unless it is in trouble."""
        ordered = breakers.ordered(recipes, now_s)
        if first is not None and not breakers.is_open(first, now_s):
            ordered.sort(key=lambda each: each is not first)
        self._left = ordered
        self._policy = policy
        self._breakers = breakers
        self._attempt = 1

    @property
    def recipe(self) -> Recipe:
        """Who is to be asked now. Raises IndexError where there was nobody to begin with."""
        return self._left[0]

    @property
    def alone(self) -> bool:
        """Whether nobody is left behind this one."""
        return len(self._left) <= 1

    def succeeded(self) -> None:
        """An answer has begun."""
        self._breakers.succeeded(self.recipe)

    def silent(self) -> None:
        """It has answered, with nothing: the next one is asked, the last one once more."""
        if not self.alone:
            del self._left[0]
            self._attempt = 1
        log.warning("%s: nothing was said, %s is asked", self._policy.stage, name_of(self.recipe))

    def failed(self, error: BaseException, now_s: float, *, begun: bool = False) -> float | None:
        """How long to wait, in seconds, before `recipe`, which may be another now, is asked; None: give up.

        begun: something of the answer has come, so that nobody may begin it again.
        """
        fault, recipe = fault_of(error), self.recipe
        come_back_s = error.retry_after_s if isinstance(error, ProviderError) else None
        self._breakers.failed(recipe, error, now_s)
        wait_s = None if begun else self._wait_s(fault, come_back_s)
        attempt = self._attempt
        if wait_s is not None:
            self._attempt += 1
            decision = f"again in {wait_s:.1f} s"
        elif begun or self.alone:
            decision = "given up"
        else:
            del self._left[0]
            self._attempt, wait_s = 1, 0.0
            decision = f"{name_of(self.recipe)} is asked instead"
        log.warning(
            "%s: %s is %s (%d of %d), %s: %s",
            self._policy.stage,
            name_of(recipe),
            fault.value,
            attempt,
            self._policy.tries,
            decision,
            error if str(error) else repr(error),
            exc_info=error if fault is Fault.BUG else None,
        )
        return wait_s

    def _wait_s(self, fault: Fault, come_back_s: float | None) -> float | None:
        """Until the same one is asked again; None: it is not."""
        policy = self._policy
        if self._attempt >= policy.tries or fault is Fault.REFUSED:
            return None
        if come_back_s is not None:
            return come_back_s if come_back_s <= LONGEST_WAIT_S else None
        if fault not in (Fault.BUSY, Fault.DOWN) and not (policy.stubborn and self.alone):
            return None
        return policy.backoff_s * self._attempt * random.uniform(0.5, 1.0)
