"""JUnit files that the strictest reader accepts."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from junitparser import Error, Failure, JUnitXml, Skipped

from patter_cli.simulate.junit import Case, Suite, render_junit

SUITES = [
    Suite(
        name="agents/desk.toml",
        package="desk",
        began_at=1_800_000_000.0,
        said='agent: "Hello" & <welcome>\x00\ufffe',
        cases=[
            Case(name="call 1 of 2", duration_s=3.25),
            Case(name="call 2 of 2", duration_s=4.5, ending="failure", message='a.toml:7: "a" < "b"', details="x\x1b"),
        ],
    ),
    Suite(
        name="b.toml",
        package="desk",
        began_at=1_800_000_001.5,
        properties=[("seed", "7")],
        cases=[
            Case(name="call", duration_s=0.0, ending="skipped", message="no language model"),
            Case(name="call", duration_s=0.0, ending="error", message="the line was lost", details="again"),
        ],
    ),
]


def strictly_read(written: bytes) -> ElementTree.Element:
    """The root, or an AssertionError where the XSD of the windyroad project would refuse the file."""
    root = ElementTree.fromstring(written)
    assert (root.tag, root.attrib) == ("testsuites", {})
    for number, suite in enumerate(root):
        assert suite.tag == "testsuite"
        assert set(suite.attrib) - {"skipped"} == {
            *("name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id")
        }
        assert suite.get("id") == str(number)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp", ""))
        assert suite.get("hostname")
        tags = [each.tag for each in suite]
        cases = suite.findall("testcase")
        assert tags == ["properties", *(["testcase"] * len(cases)), "system-out", "system-err"]
        assert all(set(each.attrib) == {"name", "value"} for each in suite[0])
        for count, ending in (("tests", "."), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert suite.get(count) == str(len(suite.findall("testcase" if ending == "." else f"testcase/{ending}")))
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            for ending in case:
                wanted = {"message"} if ending.tag == "skipped" else {"message", "type"}
                assert set(ending.attrib) == wanted
                assert not len(ending)
        times = [float(each.get("time", "")) for each in cases]
        assert abs(float(suite.get("time", "")) - sum(times)) < 0.002
    return root


def test_the_file_is_as_its_schema_says() -> None:
    """Attributes, order and counts; nothing beside them."""
    root = strictly_read(render_junit(SUITES))
    assert [each.get("name") for each in root] == ["agents/desk.toml", "b.toml"]
    assert strictly_read(render_junit([])).tag == "testsuites"


def test_a_ci_system_reads_what_failed_and_why() -> None:
    """Messages come through whole, without what XML cannot hold."""
    first, second = JUnitXml.fromstring(render_junit(SUITES))
    passed, failed = first
    assert passed.result == []
    (failure,) = failed.result
    assert isinstance(failure, Failure)
    assert (failure.message, failure.text, failure.type) == ('a.toml:7: "a" < "b"', "x�", "expectation")
    skipped, broken = second
    assert isinstance(skipped.result[0], Skipped)
    assert skipped.result[0].message == "no language model"
    assert isinstance(broken.result[0], Error)
    assert (first.tests, first.failures, second.errors, second.skipped) == (2, 1, 1, 1)
