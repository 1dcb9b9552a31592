"""The pages' own files: nothing that their policy forbids, nothing from elsewhere, nothing that makes text markup."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import patter_cli.web.dashboard as dashboard

ASSETS = Path(dashboard.__file__).parent / "assets"
OURS = sorted(ASSETS.glob("*.js"))
PAGES = sorted(ASSETS.glob("*.html"))


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.name)
def test_a_page_has_no_script_or_style_of_its_own(page: Path) -> None:
    """Both come as files, which is all that the policy lets run; each of them is there."""
    text = page.read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text)
    for name in re.findall(r'(?:src|href)="/assets/([^"]+)"', text):
        assert (ASSETS / name).is_file(), name
    assert "//" not in re.sub(r"<!doctype[^>]*>", "", text)


@pytest.mark.parametrize("script", OURS, ids=lambda each: each.name)
def test_a_script_makes_nothing_of_text_but_text(script: Path) -> None:
    """No markup from strings, no code from strings, nothing asked for elsewhere; what it imports is there."""
    text = script.read_text()
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|\bHTML:", text)
    assert not re.search(r"https?://(?!www\.w3\.org)", text)
    for name in re.findall(r'from "\./([^"]+)"', text):
        assert (ASSETS / name).is_file(), name
    assert len(text.splitlines()) <= 350


def test_what_others_made_keeps_its_licence() -> None:
    """As the table beside it says, file by file."""
    vendor = ASSETS / "vendor"
    table = (vendor / "README.md").read_text()
    for each in vendor.iterdir():
        if each.suffix in (".js", ".css"):
            assert each.name in table
    for name in ("htm", "preact", "uplot"):
        assert "icen" in (vendor / f"LICENSE-{name}").read_text()


def test_only_known_names_are_served() -> None:
    """Whatever path a stranger makes up, it is looked up, not opened."""
    names = dashboard._assets()
    assert {"app.js", "style.css", "vendor/preact-htm.js", "worklet.js"} <= names.keys()
    assert not any(".." in each or each.startswith("/") for each in names)
    assert "vendor/LICENSE-htm" not in names
