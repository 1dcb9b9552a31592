"""JUnit XML as the strictest of its readers wants it: no attribute, element or order that only some of them know.

A scenario is a test suite, each of its calls a test case. Source: the XSD of the windyroad project, which Ant's task
writes and most CI systems read: timestamps without a zone, every count there, properties, system-out and system-err in
each suite, and nothing in a case beside one skipped, error or failure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal
from xml.etree import ElementTree

Ending = Literal["passed", "failure", "error", "skipped"]

_NO_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold. Source: its section 2.2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One call. message: in a line what is wrong, or why it was skipped; details: all of it."""

    name: str
    duration_s: float
    ending: Ending = "passed"
    message: str = ""
    details: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The calls of one scenario. said: what the calls said to each other, for whoever looks."""

    name: str
    package: str
    began_at: float
    """Unix time."""
    cases: Sequence[Case]
    said: str = ""
    hostname: str = "localhost"
    properties: Sequence[tuple[str, str]] = field(default_factory=tuple)


def render_junit(suites: Sequence[Suite]) -> bytes:
    """The whole file, UTF-8."""
    root = ElementTree.Element("testsuites")
    for number, suite in enumerate(suites):
        counts = {kind: sum(case.ending == kind for case in suite.cases) for kind in ("failure", "error", "skipped")}
        element = ElementTree.SubElement(
            root,
            "testsuite",
            {
                "id": str(number),
                "name": _plain(suite.name),
                "package": _plain(suite.package),
                "timestamp": datetime.fromtimestamp(suite.began_at, UTC).strftime("%Y-%m-%dT%H:%M:%S"),
                "hostname": _plain(suite.hostname),
                "tests": str(len(suite.cases)),
                "failures": str(counts["failure"]),
                "errors": str(counts["error"]),
                "skipped": str(counts["skipped"]),
                "time": f"{sum(case.duration_s for case in suite.cases):.3f}",
            },
        )
        properties = ElementTree.SubElement(element, "properties")
        for name, value in suite.properties:
            ElementTree.SubElement(properties, "property", {"name": _plain(name), "value": _plain(value)})
        for case in suite.cases:
            _case(element, suite, case)
        ElementTree.SubElement(element, "system-out").text = _plain(suite.said)
        ElementTree.SubElement(element, "system-err")
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _case(parent: ElementTree.Element, suite: Suite, case: Case) -> None:
    element = ElementTree.SubElement(
        parent,
        "testcase",
        {"name": _plain(case.name), "classname": _plain(suite.name), "time": f"{case.duration_s:.3f}"},
    )
    if case.ending == "skipped":
        ElementTree.SubElement(element, "skipped", {"message": _plain(case.message)})
    elif case.ending != "passed":
        kind = {"failure": "expectation", "error": "error"}[case.ending]
        found = ElementTree.SubElement(element, case.ending, {"message": _plain(case.message), "type": kind})
        found.text = _plain(case.details)


def _plain(text: str) -> str:
    return _NO_XML.sub("�", text)
