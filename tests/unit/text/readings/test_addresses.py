"""Addresses of all kinds, and stops that are part of none."""

from __future__ import annotations

import pytest

from patter_cli.text.pronounce import pronounceable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("bright.dental", "bright dot dental"),
        ("my.site.co.uk", "my dot site dot co dot U K"),
        ("EXAMPLE.COM", "example dot com"),
        ("Visit Example.org.", "Visit example dot org."),
        ("cafe.restaurant/menu", "cafe dot restaurant slash menu"),
        ("sub.example.studio, please", "sub dot example dot studio, please"),
        ("example.com:8080", "example dot com colon eight zero eight zero"),
        ("http://10.0.0.1:80/x", "one zero dot zero dot zero dot one colon eight zero slash X"),
        ("8.8.8.8", "eight dot eight dot eight dot eight"),
        ("d'arcy@example.com", "D apostrophe arcy at example dot com"),
        ("jo+shop@mail.example", "J O plus shop at mail dot example"),
        ("first.last@example.travel", "first dot last at example dot travel"),
        ("'jo@example.com'", "J O at example dot com"),
        ("@home", "at home"),
        ("#sale", "hashtag sale"),
        ("notes.txt", "notes dot T X T"),
        ("report_v2.pdf", "report underscore V two dot P D F"),
        ("main.py", "main dot P Y"),
        ("C:\\Users", "C colon backslash Users"),
        ("/usr/bin", "slash usr slash bin"),
        ("node.js", "node dot J S"),
        (".NET", "dot NET"),
        ("hours.We open", "hours. We open"),
        ("3.5mm", "three point five millimeters"),
        ("e.g. this", "for example, this"),
        ("U.S. law", "U S law"),
        ("Ph.D.", "P H D"),
    ],
)
def test_it_is_said_as_people_say_it(written: str, said: str) -> None:
    """Every sign in an address is said."""
    assert pronounceable(written) == said
