"""Where calls are kept, and as what: apart from the rest of the wiring, so that who only looks at calls is quick."""

from __future__ import annotations

from pathlib import Path

from patter_cli.contracts.store import CallStore
from patter_cli.settings import Settings
from patter_cli.text.redact import Redaction


def default_folder() -> Path:
    """Of the user's data: where calls are kept if nobody says where."""
    from platformdirs import user_data_path

    return user_data_path("patter")


def call_store(folder: Path | None, *, redaction: Redaction = Redaction.OFF, keep_days: int | None = None) -> CallStore:
    """What keeps calls in this folder, for so long, with what must not be kept struck out; None: nothing is kept."""
    if folder is None:
        from patter_cli.stores.nothing import NoStore

        return NoStore()
    from patter_cli.stores.sqlite import SqliteStore

    return SqliteStore(folder, redaction=redaction, keep_days=keep_days)


def kept_calls(settings: Settings) -> CallStore:
    """What keeps calls where and as the settings say."""
    return call_store(settings.log_dir or default_folder(), redaction=settings.redact, keep_days=settings.keep_days)


def check_folder(folder: Path) -> None:
    """Make the folder that somebody named for calls. Raises BadSetting where nothing can be kept in it."""
    from patter_cli.stores.folder import check_folder

    check_folder(folder)
