"""The whole error tree: a stable code, a hint for the next step, and the exit code of the command line."""

from __future__ import annotations

import errno
from typing import ClassVar, Final

_REASONS: Final = {
    errno.ENOENT: "there is no such file or folder",
    errno.EACCES: "you are not allowed to",
    errno.EPERM: "you are not allowed to",
    errno.EISDIR: "it is a folder",
    errno.ENOTDIR: "a part of its path is no folder",
    errno.EEXIST: "there is something of that name already",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "your part of the disk is full",
    errno.EROFS: "that disk can only be read",
    errno.EFBIG: "it is too large for that disk",
    errno.EIO: "the disk fails",
    errno.ENAMETOOLONG: "its name is too long",
    errno.ELOOP: "its links lead in a circle",
    errno.ENXIO: "nothing is there that could take it",
    errno.EMFILE: "too many files are open",
    errno.ENFILE: "too many files are open",
    errno.EADDRINUSE: "somebody else listens there",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.ECONNREFUSED: "nothing listens there",
    errno.ECONNRESET: "the other side broke it off",
    errno.EPIPE: "the other side is gone",
    errno.ETIMEDOUT: "no answer came",
    errno.EHOSTUNREACH: "no way leads there",
    errno.ENETUNREACH: "no way leads there",
}
"""What the operating system's refusals mean, as clauses."""


def reason(error: BaseException) -> str:
    """Why something was refused, as a clause: "cannot read x.wav: there is no such file or folder".

    What the operating system said lies at the bottom of what libraries make of it; where nobody asked it, their words.
    """
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    refusals = [each for each in causes if isinstance(each, OSError)]
    return _refused(refusals[-1]) if refusals else str(error) or type(error).__name__


def _refused(error: OSError) -> str:
    kinds = [each.__name__ for each in type(error).__mro__]
    # By name: their modules are large, and the core never loads them.
    if "gaierror" in kinds:
        return "no such host is known"
    if "SSLCertVerificationError" in kinds:
        return "its certificate is not one that we trust"
    if "SSLError" in kinds:
        return "it does not speak TLS as we do"
    if isinstance(error, TimeoutError):
        return _REASONS[errno.ETIMEDOUT]
    return _REASONS.get(error.errno or 0) or error.strerror or str(error) or type(error).__name__


def a_kind(value: object) -> str:
    """What something is, to say that something else was wanted: "a text", "None", "the class Agent"."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    kinds = ((bool, "True or False"), (int | float, "a number"), (str, "a text"), (list | tuple, "a list"))
    name = next((words for kind, words in kinds if isinstance(value, kind)), "")
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return name or f"{article} {type(value).__name__}"


class PatterError(Exception):
    """Anything that goes wrong in a way we can name.

    code: stable, for scripts. hint: what to do next, ideally the exact command. exit_code: of the CLI.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class InputError(PatterError):
    """A bad flag, number, scenario or agent file."""

    code = "bad_input"
    exit_code = 2


class DestinationRefused(InputError):
    """A number that must not be rung: by its kind, its country, its hour, or because somebody there wants no calls."""

    code = "destination_refused"


class ConfigError(PatterError):
    """Something is missing or wrong in the set-up; found before the first ring."""

    code = "bad_config"
    exit_code = 3


class MissingCredential(ConfigError):
    """A key that a chosen provider needs is not set."""

    code = "missing_credential"


class MissingExtra(ConfigError):
    """A feature needs packages that are not installed; the hint is the command that installs them."""

    code = "missing_extra"


class UnknownProvider(ConfigError):
    """No vendor has this name."""

    code = "unknown_provider"


class BadSetting(ConfigError):
    """A setting has a value it cannot have."""

    code = "bad_setting"


class StoreError(ConfigError):
    """What is kept of calls cannot be read or changed: its folder, its disk, or a newer version's file."""

    code = "store"


class CarrierError(PatterError):
    """The telephone side refused, forged or garbled something."""

    code = "carrier"
    exit_code = 4


class BadSignature(CarrierError):
    """Something that came from outside was not signed by whom it names, or not for this, or too long ago."""

    code = "bad_signature"


class StreamProtocolError(CarrierError):
    """A media stream message that the wire's description does not allow."""

    code = "stream_protocol"


class CallRejected(CarrierError):
    """A call was not let in, or the carrier would not place it."""

    code = "call_rejected"


class NoRoom(CallRejected):
    """There are as many calls as there may be. The log is told of it by whoever raises it, once for a crowd."""

    code = "no_room"


class VendorsDown(NoRoom):
    """Whoever should hear, think or speak on a call has failed for others, and it is not time to try again."""

    code = "vendors_down"


class KeyRefused(VendorsDown):
    """It does not accept our key, which no waiting mends."""

    code = "key_refused"


class Stopping(CallRejected):
    """The server begins no call any more."""

    code = "stopping"


class AnswerLost(CarrierError):
    """The carrier was asked for something that must not be done twice, and nobody knows whether it has done it."""

    code = "answer_lost"


class UnknownAgent(CallRejected):
    """A call is for an agent that is not served here."""

    code = "unknown_agent"


class ProviderError(PatterError):
    """A speech or language vendor failed. provider: whose. retryable: whether trying again may help.

    retry_after_s: when the vendor says to come back, None if it does not.
    """

    code = "provider"
    exit_code = 5
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, provider: str, hint: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.provider = provider
        self.retry_after_s = retry_after_s


class Unauthorized(ProviderError):
    """The vendor does not accept our key, or not for this."""

    code = "provider_unauthorized"


class NoCredit(ProviderError):
    """The vendor's account has nothing left."""

    code = "provider_no_credit"


class NotOffered(ProviderError):
    """The vendor has no such model, voice or address."""

    code = "provider_not_offered"


class RateLimited(ProviderError):
    """Too many requests."""

    code = "provider_rate_limited"
    retryable = True


class TimedOut(ProviderError):
    """No answer within the deadline."""

    code = "provider_timed_out"
    retryable = True


class Unavailable(ProviderError):
    """The vendor cannot be reached or says it is down."""

    code = "provider_unavailable"
    retryable = True


class BadReply(ProviderError):
    """The vendor answered with something that is not in its contract."""

    code = "provider_bad_reply"


class ToolError(PatterError):
    """A tool could not do what the model asked for; the message is for the model, not for the caller."""

    code = "tool"


class BadArguments(ToolError):
    """The model's arguments do not fit the tool's schema."""

    code = "tool_bad_arguments"


class ToolTimedOut(ToolError):
    """The tool did not answer within its deadline."""

    code = "tool_timed_out"


class ToolRaised(ToolError):
    """The tool's own code raised; what it raised is in our log only."""

    code = "tool_raised"


class NetworkError(PatterError):
    """Something between us and the other side is not reachable."""

    code = "network"
    exit_code = 6


class NotReachable(NetworkError):
    """Nothing answers at this address."""

    code = "not_reachable"


class ServerGone(NotReachable):
    """Nobody listens there any more, so nothing has been asked of anybody."""

    code = "server_gone"


class TunnelDown(NetworkError):
    """The public address could not be opened, or nothing comes through it."""

    code = "tunnel_down"


class PortBusy(NetworkError):
    """Another program listens on the port we were told to use."""

    code = "port_busy"


class InternalError(PatterError):
    """Always our own bug."""

    code = "internal"
    exit_code = 70


class InvalidTransition(InternalError):
    """The floor was asked for a change of state that its table does not have."""

    code = "invalid_transition"


class AudioFormatError(InternalError):
    """Audio reached a place that cannot take its rate, shape or type."""

    code = "audio_format"
