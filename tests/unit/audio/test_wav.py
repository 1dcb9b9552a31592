"""WAV files in and out, and the recording of a call."""

import os
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from patter_cli.audio.g711 import encode_alaw, encode_ulaw
from patter_cli.audio.wav import StereoRecorder, check_writable, read_wav, write_wav
from patter_cli.errors import InputError

RAMP = np.arange(-32768, 32768, 37, dtype=np.int32).astype(np.int16)


def riff(tag: int, channels: int, bits: int, data: bytes, *, extra: bytes = b"", rate_hz: int = 8000) -> bytes:
    """A WAV file by hand; a chunk nobody knows lies before the data."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits) + extra
    chunks = b"".join(
        name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
        for name, body in ((b"fmt ", form), (b"LIST", b"odd"), (b"data", data))
    )
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks


def stereo(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Both sides of a recording, read by the standard library."""
    with wave.open(str(path)) as file:
        assert file.getnchannels() == 2
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    """A clip survives the disk to the bit, rate included."""
    write_wav(tmp_path / "a.wav", RAMP, 22050)
    samples, rate_hz = read_wav(tmp_path / "a.wav")
    assert rate_hz == 22050
    assert samples.dtype == np.int16
    assert np.array_equal(samples, RAMP)


@pytest.mark.parametrize(
    ("tag", "bits", "data", "expected"),
    [
        (1, 8, bytes([0, 128, 255]), [-32768, 0, 32512]),
        (1, 16, struct.pack("<3h", -5, 0, 32767), [-5, 0, 32767]),
        (1, 24, b"\xff\xff\x7f" + b"\x00\x00\x80" + b"\x12\x00\x01", [32767, -32768, 256]),
        (1, 32, struct.pack("<3i", 2**31 - 1, -(2**31), 65536), [32767, -32768, 1]),
    ],
)
def test_every_width_of_pcm(tmp_path: Path, tag: int, bits: int, data: bytes, expected: list[int]) -> None:
    """8 bits are unsigned, the others signed; the upper 16 bits are kept."""
    (tmp_path / "a.wav").write_bytes(riff(tag, 1, bits, data))
    samples, _ = read_wav(tmp_path / "a.wav")
    assert samples.tolist() == expected


@pytest.mark.parametrize(("bits", "letter"), [(32, "f"), (64, "d")])
def test_floats(tmp_path: Path, bits: int, letter: str) -> None:
    """Full scale is 1.0; louder is clipped, and what is no number is silence."""
    data = struct.pack(f"<7{letter}", 0.0, 0.5, 1.0, -1.0, 3.0, float("nan"), float("-inf"))
    (tmp_path / "a.wav").write_bytes(riff(3, 1, bits, data))
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [0, 16384, 32767, -32768, 32767, 0, -32768]


@pytest.mark.parametrize("size", [0, 0xFFFF_FFFF, 0x7FFF_FFFF, 2**32 - 37])
def test_a_header_that_was_never_finished(tmp_path: Path, size: int) -> None:
    """A recorder that was killed left no size, or the largest: its sound is read to the end of the file."""
    whole = bytearray(riff(1, 1, 16, struct.pack("<4h", 1, 2, 3, 4)))
    whole[-12:-8] = struct.pack("<I", size)
    whole[4:8] = struct.pack("<I", size)
    (tmp_path / "a.wav").write_bytes(whole)
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [1, 2, 3, 4]


def test_a_file_too_large_to_hold(tmp_path: Path) -> None:
    """A file that would fill the memory is refused by its size, unread."""
    with (tmp_path / "huge.wav").open("wb") as file:
        file.write(riff(1, 1, 16, bytes(8)))
        file.truncate(3 << 30)
    with pytest.raises(InputError, match=r"huge\.wav: it has 3\.2 GB"):
        read_wav(tmp_path / "huge.wav")


def test_telephone_files(tmp_path: Path) -> None:
    """Mu-law and A-law files, which the standard library refuses, are read."""
    (tmp_path / "u.wav").write_bytes(riff(7, 1, 8, encode_ulaw(np.array([0, 32124, -8], np.int16)), extra=b"\0\0"))
    (tmp_path / "a.wav").write_bytes(riff(6, 1, 8, encode_alaw(np.array([8, 32256, -8], np.int16))))
    assert read_wav(tmp_path / "u.wav")[0].tolist() == [0, 32124, -8]
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [8, 32256, -8]


def test_stereo_becomes_one_channel(tmp_path: Path) -> None:
    """Channels are averaged, without overflow."""
    data = struct.pack("<6h", 32767, 32767, -100, 100, 10, 20)
    (tmp_path / "a.wav").write_bytes(riff(1, 2, 16, data))
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [32767, 0, 15]


def test_extensible_pcm(tmp_path: Path) -> None:
    """The newer header, which says in its sub-format that it is PCM, is PCM."""
    extra = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    (tmp_path / "a.wav").write_bytes(riff(0xFFFE, 1, 16, struct.pack("<h", 77), extra=extra))
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [77]


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    """Data shorter than the header claims is read as far as it goes, whole samples only."""
    whole = riff(1, 1, 16, struct.pack("<4h", 1, 2, 3, 4))
    (tmp_path / "a.wav").write_bytes(whole[:-3])
    assert read_wav(tmp_path / "a.wav")[0].tolist() == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"ID3 this is no wave file at all",
        riff(3, 1, 16, bytes(8)),
        riff(2, 1, 4, bytes(8)),
        riff(1, 0, 16, bytes(8)),
        riff(1, 1, 16, bytes(8), rate_hz=0),
        riff(1, 1, 16, bytes(8), rate_hz=1),
        riff(1, 1, 16, bytes(8), rate_hz=3999),
        riff(1, 1, 16, bytes(8), rate_hz=2_000_000_000),
        riff(1, 1, 16, bytes(8))[:40],
        riff(0xFFFE, 1, 16, bytes(8)),
    ],
)
def test_what_is_not_ours_is_named(tmp_path: Path, content: bytes) -> None:
    """Anything else is an InputError that names the file."""
    (tmp_path / "strange.wav").write_bytes(content)
    with pytest.raises(InputError, match=r"strange\.wav"):
        read_wav(tmp_path / "strange.wav")


@given(st.binary(max_size=200), st.integers(0, 60))
@settings(max_examples=200)
def test_garbage_never_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int) -> None:
    """A damaged file is read or refused, nothing else."""
    path = tmp_path_factory.getbasetemp() / "garbage.wav"
    whole = bytearray(riff(1, 1, 16, bytes(20)))
    whole[at : at + len(noise)] = noise
    path.write_bytes(whole)
    try:
        samples, rate_hz = read_wav(path)
    except InputError:
        return
    assert samples.dtype == np.int16
    assert rate_hz > 0


def test_no_such_file(tmp_path: Path) -> None:
    """A missing file, and a folder that cannot be written to, are the user's to mend."""
    with pytest.raises(InputError, match=r"nothing\.wav"):
        read_wav(tmp_path / "nothing.wav")
    with pytest.raises(InputError, match="no-folder"):
        write_wav(tmp_path / "no-folder" / "a.wav", RAMP, 8000)


def test_a_call_on_its_timeline(tmp_path: Path) -> None:
    """Caller left, agent right, each at its place, silence between, equal ends."""
    recorder = StereoRecorder(tmp_path / "call.wav", 8000)
    recorder.caller(0, np.full(160, 5, np.int16))
    recorder.agent(240, np.full(80, 7, np.int16))
    recorder.caller(400, np.full(160, 6, np.int16))
    recorder.close()
    recorder.close()
    left, right = stereo(tmp_path / "call.wav")
    assert len(left) == 560
    assert np.array_equal(left, np.repeat(np.array([5, 0, 6]), [160, 240, 160]))
    assert np.array_equal(right, np.repeat(np.array([0, 7, 0]), [240, 80, 240]))


def test_what_was_cleared_is_erased(tmp_path: Path) -> None:
    """After a barge-in the agent's audio that was never played is not in the recording; the caller's is."""
    recorder = StereoRecorder(tmp_path / "call.wav", 8000)
    recorder.caller(0, np.full(1600, 5, np.int16))
    recorder.agent(0, np.full(1600, 7, np.int16))
    recorder.cut_agent(800)
    recorder.agent(1200, np.full(100, 9, np.int16))
    recorder.close()
    left, right = stereo(tmp_path / "call.wav")
    assert (left == 5).all()
    assert np.array_equal(right, np.repeat(np.array([7, 0, 9, 0]), [800, 400, 100, 300]))


def test_a_killed_recorder_leaves_a_whole_file(tmp_path: Path) -> None:
    """Without any close, the file on disk is a WAV that lacks at most the last four seconds."""
    path = tmp_path / "call.wav"
    recorder = StereoRecorder(path, 8000)
    assert len(read_wav(path)[0]) == 0
    sound = (np.arange(8000 * 30) % 1000).astype(np.int16)
    for at in range(0, len(sound), 160):
        recorder.caller(at, sound[at : at + 160])
        recorder.agent(at, sound[at : at + 160])
        assert os.path.getsize(path) >= 44
        if at % 16000 == 0:
            left, right = stereo(path)
            assert at - len(left) <= 4 * 8000
            assert np.array_equal(left, sound[: len(left)])
            assert np.array_equal(right, sound[: len(right)])
    recorder.close()
    assert np.array_equal(stereo(path)[1], sound)


def test_a_long_gap_is_silence(tmp_path: Path) -> None:
    """A caller who says nothing for an hour costs neither memory nor time."""
    recorder = StereoRecorder(tmp_path / "call.wav", 8000)
    recorder.caller(0, np.full(160, 5, np.int16))
    hour = 3600 * 8000
    recorder.caller(hour, np.full(160, 6, np.int16))
    recorder.close()
    with wave.open(str(tmp_path / "call.wav")) as file:
        assert file.getnframes() == hour + 160
        assert np.frombuffer(file.readframes(160), "<i2")[::2].tolist() == [5] * 160
        assert not any(file.readframes(8000))
        file.setpos(hour)
        assert np.frombuffer(file.readframes(160), "<i2")[::2].tolist() == [6] * 160


def test_what_comes_after_its_place_was_written(tmp_path: Path) -> None:
    """Audio for a time that is on disk already is dropped, the part that is not is kept."""
    recorder = StereoRecorder(tmp_path / "call.wav", 1000)
    recorder.caller(0, np.full(10_000, 5, np.int16))
    recorder.agent(0, np.full(10_000, 7, np.int16))
    recorder.close()
    left, right = stereo(tmp_path / "call.wav")
    assert (left == 5).all()
    kept = np.flatnonzero(right == 7)
    assert 2000 <= len(kept) <= 4000
    assert kept[-1] == 9999


@given(
    writes=st.lists(
        st.tuples(st.sampled_from(["caller", "agent", "cut"]), st.integers(0, 150), st.integers(0, 300)),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_like_one_big_array(tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[str, int, int]]) -> None:
    """However a call goes, the file is what writing it all into one array would give."""
    path = tmp_path_factory.getbasetemp() / "model.wav"
    recorder = StereoRecorder(path, 100)
    model = np.zeros((20_000, 2), np.int16)
    now = end = 0
    for number, (what, step, count) in enumerate(writes, start=1):
        now += step
        samples = np.full(count, number, np.int16)
        if what == "cut":
            recorder.cut_agent(now)
            model[now:, 1] = 0
            continue
        side = 0 if what == "caller" else 1
        (recorder.caller if what == "caller" else recorder.agent)(now, samples)
        model[now : now + count, side] = samples
        now += count
        end = max(end, now) if count else end
    recorder.close()
    left, right = stereo(path)
    assert len(left) == end
    assert np.array_equal(left, model[:end, 0])
    assert np.array_equal(right, model[:end, 1])


@pytest.mark.parametrize("place", ["/proc/x.wav", "/dev/null/x.wav", "x" * 300 + ".wav", "file/x.wav", "nowhere/x.wav"])
def test_what_cannot_be_written_is_found_before_the_call(tmp_path: Path, place: str) -> None:
    """With the file's name and a next step, and nothing is left behind."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write .*x\.wav: ") as caught:
        check_writable(tmp_path / place)
    assert caught.value.hint
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_looking_whether_a_file_can_be_written_changes_nothing(tmp_path: Path) -> None:
    """Neither one that is there, nor a folder without it; a pipe is not opened, for that would wait for its reader."""
    (tmp_path / "kept.wav").write_bytes(b"kept")
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("kept.wav", "new.wav", "pipe.wav"):
        check_writable(tmp_path / name)
    assert (tmp_path / "kept.wav").read_bytes() == b"kept"
    assert not (tmp_path / "new.wav").exists()
