"""What every vendor's recipe has, whatever it does: a name, its key's variable, a check before the first ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from patter_cli.audio.frame import AudioFormat


@runtime_checkable
class Provider(Protocol):
    """A recipe: frozen, shared by all calls, holds no socket.

    Ours all keep this. A class of an author's own may leave it out: it then goes by its class's name, and needs no key.
    """

    @property
    def provider(self) -> str:
        """Whose it is, for errors, logs and the journal: "openai"."""

    @property
    def key_variable(self) -> str:
        """The environment variable that its key comes from; "" where it needs none."""

    def check(self) -> None:
        """Whether it could be used at all. Asks nobody. Raises ConfigError: a missing key, a bad setting."""


@runtime_checkable
class TriesItsKey(Protocol):
    """What a vendor's recipe may have beside that: a question that costs nothing and needs the key."""

    async def try_key(self) -> str | None:
        """What the vendor takes and calls would still miss there, as a clause; "" or None: nothing. Raises ConfigError,
        ProviderError where the vendor would not work for us."""


@runtime_checkable
class OnThisMachine(Protocol):
    """What a recipe has beside that whose work this machine does: only so many calls can have it at once."""

    async def awaited_work_s(self) -> float:
        """What a caller waits for in a turn, in seconds of one core; measured once. After `warm`."""


@runtime_checkable
class ConnectsAhead(Protocol):
    """What a vendor's recipe has beside that whose sessions take a connection each."""

    async def connect_ahead(self, format: AudioFormat) -> None:
        """Have one ready for a call on a line of this format that begins in a moment. Nothing is raised."""

    def leave_ahead(self, format: AudioFormat) -> None:
        """Close one: the call that it was opened for has begun with another recipe. None may be there. Returns at
        once."""


@runtime_checkable
class OutOfPackages(Protocol):
    """What a recipe, or its class, has beside that works with packages that not everybody has."""

    def check_packages(self) -> None:
        """Whether they are there; imports none of them. Raises MissingExtra."""


async def awaited_work_s(recipe: object) -> float:
    """The same for any recipe: 0 for a vendor's."""
    return await recipe.awaited_work_s() if isinstance(recipe, OnThisMachine) else 0.0


class Keyless:
    """For a recipe that needs no key and has nothing to check: it goes by its class's name."""

    __slots__ = ()

    @property
    def provider(self) -> str:
        return type(self).__name__

    @property
    def key_variable(self) -> str:
        """None."""
        return ""

    def check(self) -> None:
        """Nothing can be missing."""


def name_of(recipe: object) -> str:
    """Whose a recipe is."""
    provider = getattr(recipe, "provider", "")  # asking the protocol would look at all of it, each time
    return provider if provider and isinstance(provider, str) else type(recipe).__name__


def missing_members(recipe: object, contract: type) -> list[str]:
    """What a contract asks for and a recipe has not, beside the above; [] if it can be used."""
    wanted = [name for each in contract.__mro__ if each is not Provider for name in vars(each) if name[0] != "_"]
    return [name for name in wanted if not hasattr(recipe, name)]
