"""The command line as scripts use it: data on stdout, narration on stderr, exit codes, files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from patter_cli.audio.wav import read_channel, read_wav
from patter_cli.contracts.store import CallQuery
from patter_cli.stores.sqlite import SqliteStore
from patter_cli.text.compare import normalised_words, word_errors

ROOT = Path(__file__).parents[2]
KEPT = tempfile.TemporaryDirectory()
PROGRAM = "import sys; sys.argv[0] = 'patter'; from patter_cli.__main__ import main; main()"

AGENT = '''"""A quick agent: sure of what it hears, silent recogniser, a tone for a voice."""
import numpy as np
from patter_cli import Agent

class Ears:
    rate_hz = 8000
    speech_only = True
    async def warm(self): pass
    async def open(self): return self
    def push(self, samples): pass
    def finalize(self): pass
    def commit(self): pass
    async def results(self):
        import asyncio
        await asyncio.Event().wait()
        yield
    async def aclose(self): pass

class Voice:
    rate_hz = 8000
    async def warm(self): pass
    async def open(self): return self
    async def synthesize(self, text):
        yield (8000 * np.sin(np.arange(8000) * 0.4)).astype(np.int16)
    async def aclose(self): pass

agent = Agent("You hum.", "Hum.", stt=Ears(), tts=Voice())

def on_message(event):
    return "Hum."
'''


def start(*arguments: str, cwd: Path = ROOT, program: str = PROGRAM, **environment: str) -> subprocess.Popen[str]:
    """Run the command as a script does, with nobody at the keyboard."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        cwd=cwd,
        env={**os.environ, "PATTER_LOG_DIR": KEPT.name, "NO_COLOR": "1", "COLUMNS": "200", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_at_a_terminal,
    )


def _at_a_terminal() -> None:
    """A shell's background job ignores Ctrl-C, and so would all that it starts."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def patter(*arguments: str, cwd: Path = ROOT, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    process = start(*arguments, cwd=cwd, **environment)
    try:
        out, err = process.communicate(stdin, timeout=150)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with one quick agent."""
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "hum.py").write_text(AGENT)
    return tmp_path


@pytest.mark.parametrize("command", ["serve", "simulate"])
def test_help_shows_examples_and_general_flags(command: str) -> None:
    """Every command's help has examples, the general flags, and the variable behind a flag."""
    shown = patter(command, "--help")
    assert shown.returncode == 0
    for words in ("Examples:", "--env-file", "--config", "--verbose", "--debug", "--no-color", "(PATTER_"):
        assert words in shown.stdout


def test_help_keeps_what_stands_in_brackets() -> None:
    """A section of the settings file is no markup, and a paragraph fills the terminal's width."""
    words = " ".join(patter("serve", "--help").stdout.split())
    assert 'said in patter.toml: [numbers] and below it "+14155550123"' in words
    assert "PHONE_NUMBER and [numbers])" in words
    assert " what the caller then would not have waited" in patter("explain", "--help").stdout


def test_help_is_cheap() -> None:
    """What a call needs is not loaded to print the help."""
    heavy = "numpy starlette hypercorn uvloop websockets onnxruntime httpx rich.live"
    program = (
        "import sys; sys.argv = ['patter', '--help']\n"
        "from patter_cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([each for each in {heavy.split()} if each in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["simulate", "nosuch"], 2, "no agent is called 'nosuch'"),
        (["simulate", "hun"], 2, "hum"),
        (["simulate", "hum", "--nonsense"], 2, "--nonsense"),
        (["simulate", "hum", "--say", "hi", "--text"], 2, "cannot go together"),
        (["simulate", "hum", "--url", "ws://127.0.0.1:1/x"], 2, "served already"),
        (["simulate", "--url", "ws://127.0.0.1:1/ws/loopback/x", "--say", "hi"], 6, "127.0.0.1:1"),
        (["simulate", "--url", "http://127.0.0.1:1/", "--say", "hi"], 2, "ws://"),
        (["simulate", "hum", "--wav", "missing.wav"], 2, "missing.wav"),
        (["simulate", "hum", "--wav", "agents/hum.py"], 2, "not a WAV file"),
        (["simulate", "hum", "--say", "hi", "--out", "no/such/reply.wav"], 2, "no folder"),
        (["simulate", "hum", "--say", ""], 2, "nothing to say"),
        (["simulate", "hum", "--say", "hi", "--out", "a.wav", "--stereo", "a.wav"], 2, "cannot both be a.wav"),
        (["simulate", "hum", "--say", "hi", "--seed", "3"], 2, "no kind is named"),
        (["simulate", "hum", "--say", "hi", "--human", "Maria"], 2, "names no number"),
        (["simulate", "hum", "--say", "hi", "--human", "+12025550142="], 2, "says nothing"),
        (["simulate", "hum"], 2, "hum has no scenario"),
        (["simulate", "--scenario", "missing.toml"], 2, "missing.toml"),
        (["simulate", "--scenario", "talk.toml"], 2, "'sya' is not a key here"),
        (["simulate", "hum", "--scenario", "talk.toml", "--say", "hi"], 2, "cannot go together"),
        (["simulate", "hum", "--say", "hi", "--line", "mobil"], 2, "no line called 'mobil'"),
        (["simulate", "hum", "--text", "--line", "bad"], 2, "--text has no audio"),
        (["simulate", "--url", "", "--say", "hi"], 2, "--url cannot be ''"),
        (["simulate", "--url", "ws://127.0.0.1:99999/x", "--say", "hi"], 2, "--url cannot be"),
        (["simulate", "--url", "ws://[::1/x", "--say", "hi"], 2, "--url cannot be"),
        (["simulate", "--url", "ws://nosuch.invalid/x", "--say", "hi"], 6, "no such host is known"),
        (["simulate", "hum", "--say", "hi", "--out", "."], 2, "cannot write .: it is a folder"),
        (["simulate", "hum", "--say", "hi", "--stereo", "agents"], 2, "cannot write agents: it is a folder"),
        (["simulate", "hum", "--wav", "agents"], 2, "cannot read agents: it is a folder"),
        (["simulate", "hum", "--scenario", "agents"], 2, "there is no scenario in agents"),
        (["simulate", "hum", "--config", "agents"], 2, "agents is a folder"),
        (["simulate", "hum", "--env-file", "agents"], 2, "agents is a folder"),
        (["simulate", "hum", "--seed", "-1"], 2, "--seed"),
        (["simulate", "hum", "--max-ttfa-ms", "soon"], 2, "--max-ttfa-ms"),
        (["simulate", "hum", "--line", "loud", "--say", "hi"], 2, "no line called 'loud'"),
        (["simulat", "hum"], 2, "simulate"),
        (["agents", "lst"], 2, "list"),
        (["agents", "show", "hum", "--jsn"], 2, "--json"),
        (["agents", "new", "class"], 2, "cannot be called 'class'"),
        (["agents", "new", "a b"], 2, "cannot be called 'a b'"),
        (["agents", "new", "desk", "--template", "recepsionist"], 2, "did you mean 'receptionist'?"),
        (["--nonsense"], 2, "--nonsense"),
        (["simulate", "hum", "--max-ttfa-ms", "0"], 2, "--max-ttfa-ms"),
        (["simulate", "hum", "--env-file", "nothing.env"], 2, "nothing.env"),
        (["simulate", "hum", "--config", "nothing.toml"], 2, "nothing.toml"),
        (["serve", "hum", "--port", "70000"], 2, "70000"),
        (["serve", "hum", "--host", "0.0.0.0"], 2, "0.0.0.0"),
        (["serve", "hum", "--host", ""], 2, "--host cannot be ''"),
        (["serve", "hum", "--max-calls", "many"], 2, "--max-calls"),
        (["serve", "hum", "--number", ""], 2, "--number is empty"),
        (["serve", "hum", "--drain-timeout", "nan"], 2, "--drain-timeout"),
        (["serve", "hum", "--carrier", "asterix"], 3, "did you mean 'asterisk'?"),
        (["serve", "hum", "--carrier", "twilio"], 3, "export TWILIO_ACCOUNT_SID="),
        (["serve", "mute"], 3, "nothing to answer with"),
        (["serve", "broken"], 2, "agents/broken.py:2"),
        (["simulate", "latin", "--text"], 2, "this is not UTF-8"),
        (["simulate", "bytes", "--text"], 2, "agents/bytes.py"),
    ],
)
def test_errors_say_what_and_what_next(project: Path, arguments: list[str], code: int, words: str) -> None:
    """One sentence, a hint, the right exit code, nothing on stdout, and no traceback."""
    (project / "agents" / "broken.py").write_text('"""Broken."""\nagent = Agnt("x")\n')
    (project / "agents" / "latin.py").write_bytes('"""Größe."""\nagent = None\n'.encode("latin-1"))
    (project / "agents" / "bytes.py").write_bytes(b"agent = 1\0\n")
    (project / "talk.toml").write_text('agent = "hum"\n[[step]]\nsya = "Hello."\n')
    (project / "agents" / "mute.py").write_text(AGENT[: AGENT.index("def on_message")])
    done = patter(*arguments, cwd=project)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_brings_the_traceback(project: Path) -> None:
    """For those who want it."""
    assert "Traceback" in patter("simulate", "nosuch", "--debug", cwd=project).stderr


def test_settings_stand_behind_flags(project: Path) -> None:
    """patter.toml gives a default, a flag wins over it, a broken file is named."""
    (project / "patter.toml").write_text("[serve]\nport = 70001\n")
    assert "70001" in patter("serve", "hum", cwd=project).stderr
    assert "70002" in patter("serve", "hum", "--port", "70002", cwd=project).stderr
    assert "70003" in patter("serve", "hum", cwd=project, PATTER_PORT="70003").stderr
    (project / "patter.toml").write_text("[serve\n")
    broken = patter("serve", "hum", cwd=project)
    assert broken.returncode == 3
    assert "patter.toml" in broken.stderr


def test_a_spoken_call_as_json(tmp_path: Path) -> None:
    """The right answer to a spoken question, as one object on stdout; the files hold what was heard."""
    reply, call = tmp_path / "reply.wav", tmp_path / "call.wav"
    done = patter(
        *("simulate", "receptionist", "--say", "What are your opening hours?", "--json"),
        *("--out", str(reply), "--stereo", str(call), "--max-ttfa-ms", "5000"),
        PATTER_LOG_DIR=str(tmp_path / "kept"),
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    turn = facts["turns"][-1]
    assert "opening hours" in turn["caller"].lower()
    assert "nine until five thirty" in turn["agent"]
    split = turn["latency"]
    parts = ("endpointing_ms", "stt_ms", "llm_ms", "clause_ms", "tts_ms", "handover_ms")
    assert sum(split[part] for part in parts) == split["total_ms"] > 0
    assert len(facts["caller_waited_ms"]) == 1
    heard, rate_hz = read_wav(reply)
    assert rate_hz == 8000
    assert len(heard) > 4 * 8000
    caller, _ = read_channel(call, 0)
    agent, _ = read_channel(call, 1)
    assert np.abs(caller).max() > 2000
    assert np.abs(agent).max() > 2000
    (kept,) = SqliteStore(tmp_path / "kept").export(CallQuery(agent="receptionist", outcome="answered"))
    assert "opening hours" in str(kept.facts["transcript"]).lower()
    assert (kept.row.call_id, kept.row.turns) == (facts["call_id"], len(facts["turns"]) - 1)


LISTENS = '''"""Takes a message, and says nothing before its caller has finished."""
from patter_cli import Agent, TurnPolicy

agent = Agent("You take a message.", turns=TurnPolicy(endpoint_ms=2500))

def on_message(event):
    return "Thank you."
'''


def test_recorded_speech_is_understood(tmp_path: Path) -> None:
    """A human recording as the caller: its words come out as recognised.

    Six sentences of two words with long pauses: an agent that answered in them would talk into the recording.
    """
    (tmp_path / "listens.py").write_text(LISTENS)
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    (recording,) = Path(spec.origin).parent.rglob("beckett.wav")
    done = patter("simulate", "listens.py", "--wav", str(recording), "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    said = " ".join(turn["caller"] or "" for turn in json.loads(done.stdout)["turns"])
    words = "ever tried ever failed no matter try again fail again fail better".split()
    assert word_errors(words, normalised_words(said)) <= 1


def test_a_limit_that_is_missed() -> None:
    """Exit 1: done, but not well."""
    done = patter("simulate", "receptionist", "--say", "What are your opening hours?", "--max-ttfa-ms", "1")
    assert done.returncode == 1
    assert "too long" in done.stderr


def test_typing(tmp_path: Path) -> None:
    """Lines on stdin are the caller's; the end of the input hangs up."""
    done = patter(
        *("simulate", "receptionist", "--text", "--json"),
        stdin="What are your opening hours?\nWhat does a cleaning cost?\n",
        PATTER_CALENDAR=str(tmp_path / "calendar.json"),
    )
    assert done.returncode == 0, done.stderr
    turns = json.loads(done.stdout)["turns"]
    assert [turn["caller"] for turn in turns[1:]] == ["What are your opening hours?", "What does a cleaning cost?"]
    assert "eighty dollars" in turns[2]["agent"]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_hangs_up(tmp_path: Path, how: signal.Signals) -> None:
    """Soon, with 130, with what was said so far kept in readable files; a SIGTERM is no different."""
    call, reply = tmp_path / "call.wav", tmp_path / "reply.wav"
    files = ("--stereo", str(call), "--out", str(reply))
    process = start("simulate", "receptionist", *files, PATTER_LOG_DIR=str(tmp_path / "kept"))
    try:
        assert process.stdout is not None
        while "How can I help you" not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(1)
        began = time.monotonic()
        process.send_signal(how)
        _, err = process.communicate(timeout=20)
        took = time.monotonic() - began
    finally:
        process.kill()
    assert process.returncode == 130
    assert took < 8
    assert "Traceback" not in err
    agent, _ = read_channel(call, 1)
    assert np.abs(agent).max() > 2000
    assert np.abs(read_wav(reply)[0]).max() > 2000
    (record,) = (tmp_path / "kept").rglob("record.json")
    assert json.loads(record.read_text())["outcome"] == "answered"


BEGUN = PROGRAM.replace("main()", "print('begun', flush=True); main()")
"""It tells when Python's own start, which is not ours to silence, is over."""


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.2, 0.3])
def test_ctrl_c_while_it_loads_prints_nothing(after_s: float) -> None:
    """Somebody who changes their mind at once sees no traceback, whatever was being imported."""
    process = start("simulate", "receptionist", program=BEGUN)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in err


DEAD = '''"""Its model is not there."""
from patter_cli import Agent, OpenAICompatibleLLM

agent = Agent("You answer.", "Hello.", llm=OpenAICompatibleLLM("http://127.0.0.1:9/v1", "m"))
'''


def test_a_dead_model_is_a_failed_call(tmp_path: Path) -> None:
    """Exit 5 and outcome failed, with the vendor's fault in words; every line that was not said is accounted for."""
    (tmp_path / "dead.py").write_text(DEAD)
    said = [word for each in ("What are your hours?", "And on Sunday?", "Hello?") for word in ("--say", each)]
    done = patter("simulate", "dead.py", *said, "--json", cwd=tmp_path, PATTER_LOG_DIR=str(tmp_path / "kept"))
    assert done.returncode == 5
    call = json.loads(done.stdout)
    assert (call["outcome"], call["reason"]) == ("failed", "agent_failed")
    assert len([turn for turn in call["turns"] if turn["caller"]]) + len(call["notes"]) >= 3
    assert "error: the call failed: 127.0.0.1:9" in done.stderr
    assert "hint:" in done.stderr
    once = patter("simulate", "dead.py", "--say", "What are your hours?", cwd=tmp_path)
    assert once.returncode == 5  # the caller has hung up before we give up
    assert "error: nothing was answered: 127.0.0.1:9" in once.stderr
