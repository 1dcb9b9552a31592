"""What somebody asked `patter simulate` for, and which of it cannot go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from patter_cli.audio.wav import check_writable
from patter_cli.cli.scenario_files import is_several
from patter_cli.errors import InputError
from patter_cli.simulate.line import QUALITIES


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulateFlags:
    """By the names of the flags."""

    agent: str | None
    say: Sequence[str]
    wav: Sequence[Path]
    scenario: Sequence[str]
    repeat: int
    jobs: int | None
    junit: Path | None
    variables: Sequence[str]
    """Of --set."""
    mic: bool
    microphone: str
    loudspeaker: str
    text: bool
    url: str | None
    out: Path | None
    stereo: Path | None
    line: str | None
    seed: int | None
    carrier: str
    local: bool
    human: Sequence[str]
    json: bool
    max_ttfa_ms: int | None

    @property
    def ways(self) -> list[str]:
        """The flags that say who speaks for the caller."""
        ways = (
            ("--say", self.say),
            ("--wav", self.wav),
            ("--scenario", self.scenario),
            ("--mic", self.by_person),
            ("--text", self.text),
        )
        return [name for name, given in ways if given]

    @property
    def by_person(self) -> bool:
        """Somebody here talks, which a named device says as well."""
        return self.mic or bool(self.microphone or self.loudspeaker)

    @property
    def several(self) -> bool:
        """More than one call, or one that is reported as if there were more."""
        return self.repeat > 1 or self.junit is not None or is_several(self.scenario)

    @property
    def virtual(self) -> bool:
        """A scenario by text, on virtual time; --text alone is a keyboard."""
        return self.text and (bool(self.scenario) or self.several)

    def check(self) -> None:
        """Raises InputError for flags that cannot go together, files that cannot be written, lines there are not."""
        self._check_ways()
        self._check_others_agent()
        self._check_files()
        if self.seed is not None and self.line is None and not self.scenario:
            raise InputError(
                f"--seed {self.seed} chooses a line of one kind, and no kind is named", hint="add --line mobile"
            )
        if self.line is not None and self.line not in QUALITIES:
            near = get_close_matches(self.line, QUALITIES, n=1)
            meant = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"there is no line called {self.line!r}", hint=f"{meant}known: {', '.join(QUALITIES)}")

    def _check_ways(self) -> None:
        ways = self.ways
        if len(ways) > 1 and ways not in (["--say", "--wav"], ["--scenario", "--text"]):
            raise InputError(f"{' and '.join(ways)} cannot go together", hint="leave all but one out")
        single = {"--mic": self.by_person, "--out": self.out, "--stereo": self.stereo}
        odd = next((name for name, given in single.items() if given), "")
        if odd and self.several:
            raise InputError(
                f"{odd} is for one call, and several are wanted here",
                hint=f"leave {odd} out, or name one --scenario, without -n and --junit",
            )
        if self.text and (self.out or self.stereo or self.line):
            raise InputError("--text has no audio to write or to spoil", hint="leave --out, --stereo and --line out")
        if self.text and not self.virtual and (self.max_ttfa_ms or self.seed is not None):
            raise InputError(
                "a keyboard has nothing to time, and no chance in it", hint="leave --max-ttfa-ms and --seed out"
            )

    def _check_others_agent(self) -> None:
        if self.url and self.agent:
            raise InputError("--url calls an agent that is served already", hint=f"leave {self.agent} out")
        if self.url and self.text:
            raise InputError("--text needs no server, and --url is one", hint="leave one of them out")
        if self.url and self.local:
            raise InputError(
                "--local is for an agent of one's own, and --url is another's", hint="leave one of them out"
            )
        if self.carrier:
            from patter_cli.cli.lab import WIRES, check_name

            check_name(self.carrier, WIRES)
            if self.url or self.text:
                raise InputError("--carrier is for a call with sound to an agent of one's own", hint="leave it out")

    def _check_files(self) -> None:
        if self.out is not None and self.out == self.stereo:
            raise InputError(f"--out and --stereo cannot both be {self.out}", hint="name two files, or leave one out")
        for path, example in ((self.out, "call.wav"), (self.stereo, "call.wav"), (self.junit, "report.xml")):
            if path is None:
                continue
            if path.is_dir():
                raise InputError(f"cannot write {path}: it is a folder", hint=f"name a file: {path / example}")
            if not path.parent.is_dir():
                raise InputError(
                    f"cannot write {path}: there is no folder {path.parent}", hint=f"mkdir -p {path.parent}"
                )
            check_writable(path)
