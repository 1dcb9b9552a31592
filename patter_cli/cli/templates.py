"""What ships to begin with: the agents, one to start from and the samples, and what a project has around them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Final

from patter_cli.errors import InputError, reason

STARTER = "starter"
DEMO = "receptionist"
"""What `patter simulate` plays in a folder without agents."""

_CLONE = Path(__file__).parents[2]
_SHARE: Final = "share/patter-cli"
_WORKFLOW: Final = "github-actions.yml"
_TEST: Final = '''"""{name}, called without sound: no key, no network. The package brings `patter_call`."""


def test_its_scenario(patter_call):
    """Whoever calls it hears what agents/{name}.toml says."""
    patter_call.play("agents/{name}.toml")


def test_it_greets_whoever_calls(patter_call):
    """Before the caller has said a word."""
    assert patter_call("{name}").heard
'''
_CONFIG: Final = """# Settings of this project; `patter doctor` shows which hold, and where each value comes from.

# keep_days = 30                    # for how long calls are kept

[serve]
# port = 8000
# busy_message = "All our lines are busy, please call again in a minute."

[numbers]                           # which agent answers which of your numbers
# "+14155550123" = "{name}"
"""
_IGNORED: Final = ".env\n__pycache__/\n.venv/\n"


def template_files(clone: Path = _CLONE) -> dict[str, Path]:
    """The agent file of each template by its name, wherever this copy of the product keeps them; {} if nowhere.

    clone: where agents/ and pyproject.toml would be.
    """
    paths = [each for each in _shipped("agents", clone) if each.suffix == ".py"]
    return {path.stem.lstrip("_"): path for path in sorted(paths)}


def _shipped(folder: str, clone: Path = _CLONE) -> list[Path]:
    """The files of a folder that comes with the product; in a clone they lie where they are written."""
    if (clone / "pyproject.toml").is_file():
        return [each for each in (clone / folder).iterdir() if each.is_file()]
    try:
        found = files("patter-cli") or []
    except PackageNotFoundError:
        found = []
    return [Path(str(each.locate())) for each in found if f"{_SHARE}/{folder}/" in each.as_posix()]


def template(name: str) -> Path:
    """One template's agent file. Raises InputError for a name that there is not."""
    there = template_files()
    if name not in there:
        near = get_close_matches(name, there, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"there is no template {name!r}", hint=f"{meant}there are: {', '.join(there) or 'none'}")
    return there[name]


def new_agent(name: str, chosen: str, project: Path) -> list[Path]:
    """Write an agent from a template: `agents/name.py`, its scenario and a test of it, and in a folder that is no
    project yet what a project has around them. Returns the files. Raises InputError.

    Nothing that exists is overwritten: an agent of that name is an error, the project's files stay as they are.
    """
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise InputError(
            f"an agent cannot be called {name!r}", hint="letters, digits and _: patter agents new front_desk"
        )
    source = template(chosen)
    own = {Path("agents", f"{name}{old.suffix}"): _renamed(old, chosen, name) for old in _pair(source)}
    if len(own) > 1:
        own[Path("tests", f"test_{name}.py")] = _TEST.format(name=name)
    for path in own:
        if (project / path).exists():
            raise InputError(f"{path} is there already", hint=f"choose another name: patter agents new {name}2")
    around = {} if (project / "patter.toml").exists() else _project(name)
    made = {**own, **{path: text for path, text in around.items() if not (project / path).exists()}}
    try:
        for path, text in made.items():
            (project / path).parent.mkdir(parents=True, exist_ok=True)
            (project / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"cannot write into {project}: {reason(error)}", hint="choose another folder: patter init phone"
        ) from error
    return list(made)


def _pair(source: Path) -> list[Path]:
    """An agent's file, and its scenario if it has one."""
    return [each for each in (source, source.with_suffix(".toml")) if each.is_file()]


def _renamed(old: Path, chosen: str, name: str) -> str:
    text = old.read_text(encoding="utf-8").replace("STARTER", name)
    return text.replace(f'agent = "{chosen}"', f'agent = "{name}"')


def _project(name: str) -> Mapping[Path, str]:
    """What a project has beside its agents."""
    from patter_cli import env_example

    found = {
        Path("patter.toml"): _CONFIG.format(name=name),
        Path(".env.example"): env_example.render(),
        Path(".gitignore"): _IGNORED,
    }
    for each in _shipped("docs"):
        if each.name == _WORKFLOW:
            found[Path(".github", "workflows", "agents.yml")] = each.read_text(encoding="utf-8")
    return found
