"""Where calls are kept, and as what: apart from the rest of the wiring, so that who only looks at calls is quick."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from patter_cli import registry
from patter_cli.contracts.store import CallStore, StorePlace
from patter_cli.settings import Settings
from patter_cli.text.redact import Redaction

SQLITE = "sqlite"
"""Folders with an index beside them: needs no server."""


def default_folder() -> Path:
    """Of the user's data: where calls are kept if nobody says where."""
    from platformdirs import user_data_path

    return user_data_path("patter")


def call_store(
    folder: Path | None, *, redaction: Redaction = Redaction.OFF, keep_days: int | None = None, store: str = SQLITE
) -> CallStore:
    """What keeps calls in this folder, for so long, with what must not be kept struck out; None: nothing is kept.

    store: a name in the registry, or NAME://ADDRESS of a database. Raises ConfigError for one that there is not.
    """
    if folder is None:
        from patter_cli.stores.nothing import NoStore

        return NoStore()
    name, _, rest = store.partition("://")
    place = StorePlace(folder=folder, address=store if rest else "", redaction=redaction, keep_days=keep_days)
    return cast(CallStore, registry.find("store", name).load()(place))


def kept_calls(settings: Settings) -> CallStore:
    """What keeps calls where and as the settings say. Raises ConfigError."""
    folder = settings.log_dir or default_folder()
    if folder.exists() and not folder.is_dir():
        check_folder(folder)  # says so
    return call_store(
        folder,
        redaction=settings.redact,
        keep_days=settings.keep_days,
        store=settings.store,
    )


def check_folder(folder: Path) -> None:
    """Make the folder that somebody named for calls. Raises BadSetting where nothing can be kept in it."""
    from patter_cli.stores.folder import check_folder

    check_folder(folder)
