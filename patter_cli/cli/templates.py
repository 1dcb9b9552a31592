"""The agents that ship with the product: one to start from, and the samples."""

from __future__ import annotations

import keyword
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from patter_cli.errors import InputError, reason

STARTER = "starter"
DEMO = "receptionist"
"""What `patter simulate` plays in a folder without agents."""

_CLONE = Path(__file__).parents[2]
_INSTALLED = "share/patter-cli/agents"


def template_files(clone: Path = _CLONE) -> dict[str, Path]:
    """The agent file of each template by its name, wherever this copy of the product keeps them; {} if nowhere.

    clone: where agents/ and pyproject.toml would be.
    """
    if (clone / "pyproject.toml").is_file():
        paths = list((clone / "agents").glob("*.py"))
    else:
        try:
            found = files("patter-cli") or []
        except PackageNotFoundError:
            found = []
        paths = [Path(str(each.locate())) for each in found if _INSTALLED in each.as_posix() and each.suffix == ".py"]
    return {path.stem.lstrip("_"): path for path in sorted(paths)}


def template(name: str) -> Path:
    """One template's agent file. Raises InputError for a name that there is not."""
    there = template_files()
    if name not in there:
        near = get_close_matches(name, there, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"there is no template {name!r}", hint=f"{meant}there are: {', '.join(there) or 'none'}")
    return there[name]


def new_agent(name: str, chosen: str, folder: Path) -> list[Path]:
    """Write `folder/name.py`, and its scenario, from a template. Returns the files. Raises InputError.

    Nothing that exists is overwritten.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise InputError(
            f"an agent cannot be called {name!r}", hint="letters, digits and _: patter agents new front_desk"
        )
    source = template(chosen)
    made = []
    for old in (source, source.with_suffix(".toml")):
        new = folder / f"{name}{old.suffix}"
        if new.exists():
            raise InputError(f"{new} is there already", hint=f"choose another name, or remove it: rm {new}")
        if old.is_file():
            made.append((old, new))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old, new in made:
            text = old.read_text(encoding="utf-8").replace("STARTER", name)
            new.write_text(text.replace(f'agent = "{chosen}"', f'agent = "{name}"'), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write into {folder}: {reason(error)}") from error
    return [new for _, new in made]
