"""What cannot be heard is refused in one line that names it and says what to do."""

from __future__ import annotations

import io
import os
import re
import struct
from contextlib import contextmanager, suppress

import av
import av.logging
import numpy as np
import pytest
import soundfile

from affekt.audio import decode, load_audio
from affekt.errors import AudioError


def refusal(source, **options):
    """Return the message that refuses a source: one line, from no exception of a library."""
    with pytest.raises(AudioError) as caught:
        load_audio(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


def refused_file(folder, name, content):
    """Write a file, and return the message that refuses it, without its path."""
    path = folder / name
    path.write_bytes(content)
    message = refusal(path)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@contextmanager
def without_privileges():
    """Be an ordinary user for a while: root may read everything."""
    if not hasattr(os, "seteuid"):
        pytest.skip("needs POSIX permissions")
    before = os.geteuid()
    try:
        if before == 0:
            os.seteuid(65534)  # nobody
    except OSError:
        pytest.skip("root, and cannot become another user")
    try:
        yield
    finally:
        os.seteuid(before)


def test_missing_file(tmp_path):
    path = tmp_path / "missing.wav"
    assert refusal(path) == f"{path}: no such file; check the path"


def test_address():
    assert "download the file" in refusal("https://example.org/speech.wav")


def test_folder(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path}: it is a folder, not a recording; give the files in it"
    )


def test_permission_denied(encode, sine, tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes(encode("wav-16", sine(16000), 16000))
    path.chmod(0)
    with without_privileges():
        message = refusal(path)
    assert message.startswith(f"{path}: permission denied; make")


@pytest.mark.parametrize("name", ["a\0b.wav", "a" * 5000])
def test_impossible_name(name):
    assert "cannot be opened" in refusal(name)


def test_empty_file(tmp_path):
    assert refused_file(tmp_path, "empty.wav", b"") == (
        "it is empty (0 bytes); record or download it again"
    )
    assert refusal(b"").startswith("audio bytes: it is empty")


@pytest.mark.parametrize(
    "content",
    [
        b"Dear diary, this is not a recording.\n" * 50,
        b"1\n00:00:01,000 --> 00:00:02,000\nsubtitles are no speech\n\n" * 5,
        bytes(5000),
        np.random.default_rng(0).bytes(5000),
        b"RIFF",
        b"\xff",
    ],
    ids=["text", "subtitles", "zeros", "noise", "first-bytes", "one-byte"],
)
def test_not_audio(tmp_path, content):
    assert refused_file(tmp_path, "text.wav", content).startswith("it is not audio that can be")


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {}\n",
        '<?xml version="1.0"?><MPD><Period><BaseURL>{}</BaseURL></Period></MPD>',
    ],
)
def test_a_playlist_opens_no_other_file(encode, sine, tmp_path, monkeypatch, playlist):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.mp3").write_bytes(encode("mp3", sine(16000), 16000))
    content = playlist.format("other.mp3").encode()
    assert "not audio" in refused_file(tmp_path, "list.wav", content)


@pytest.mark.parametrize("kind", ["wav-16", "wav-float"])
def test_cut_short_before_the_end(encode, sine, tmp_path, kind):
    content = encode(kind, sine(16000), 16000)
    message = refused_file(tmp_path, "cut.wav", content[: len(content) // 2])
    assert re.match(r"it is cut short: its header promises \d+ bytes of samples, \d+ are", message)


@pytest.mark.parametrize("kind", ["flac", "flac-24", "aiff"])
def test_other_lossless_cut_short(encode, sine, tmp_path, kind):
    content = encode(kind, sine(44100), 44100)
    message = refused_file(tmp_path, "cut.flac", content[: len(content) // 2])
    assert message.startswith("it is cut short or damaged: its header promises 1.00 s, 0.")


def test_m4a_cut_short(encode, sine, tmp_path):
    """Its table of contents comes last, so that nothing can be read without the end."""
    content = encode("m4a", sine(44100), 44100)
    message = refused_file(tmp_path, "cut.m4a", content[: len(content) // 2])
    assert message == (
        "it is not audio that can be read; "
        "expected one of wav, flac, mp3, ogg, opus, aiff, m4a, webm, undamaged"
    )


@pytest.mark.parametrize("kind", ["mp3", "ogg", "opus", "webm", "aac"])
def test_a_stream_may_end_anywhere(encode, kind):
    """These are made to be listened to while they arrive: what is there is read."""
    rng = np.random.default_rng(0)
    content = encode(kind, rng.uniform(-0.3, 0.3, 96000).astype(np.float32), 48000)
    samples = load_audio(content[: len(content) * 2 // 3])
    assert 0.8 < len(samples) / 16000 < 1.6


def test_a_few_bytes_may_miss(encode, sine):
    content = encode("wav-16", sine(16000), 16000)
    assert len(load_audio(content[:-20])) == 15990


def test_header_only(encode, sine, tmp_path):
    content = encode("wav-16", sine(16000), 16000)
    message = refused_file(tmp_path, "header.wav", content[: content.index(b"data") + 8])
    assert message.startswith("it is cut short: its header promises 32000 bytes of samples, 0 are")


def test_half_a_header(encode, sine, tmp_path):
    content = encode("wav-16", sine(16000), 16000)[:30]
    assert "not audio" in refused_file(tmp_path, "header.wav", content)


@pytest.mark.parametrize("kind", ["wav-16", "wav-float", "aiff", "ogg"])
def test_no_samples(encode, tmp_path, kind):
    content = encode(kind, np.zeros(0, dtype=np.float32), 16000)
    assert refused_file(tmp_path, "none.wav", content) == (
        "it holds no samples; record or download it again"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_not_finite(encode, sine, tmp_path, value, channels):
    samples = sine(16000, channels=channels)
    samples[[8000, 9000], -1] = value
    message = refused_file(tmp_path, "nan.wav", encode("wav-float", samples, 16000))
    assert message == (
        "2 of 16000 samples are NaN or infinite, the first at 0.500 s; "
        "repair or leave out this recording"
    )
    assert "the first at 0.500 s" in refusal((samples, 16000))


def test_integers_in_a_float_file(encode, sine, tmp_path):
    message = refused_file(tmp_path, "int.wav", encode("wav-float", sine(16000) * 2**15, 16000))
    assert message.startswith("samples reach 16384, far beyond full scale (1.0); if they are")


def test_unknown_codec_in_wav(encode, sine, tmp_path):
    content = bytearray(encode("wav-16", sine(16000), 16000))
    place = content.index(b"fmt ") + 8
    content[place : place + 2] = b"\x34\x12"  # no format has this tag
    message = refused_file(tmp_path, "strange.wav", bytes(content))
    assert message == "its codec is not known; convert it to wav or flac first"


def test_unknown_codec_in_m4a(encode, sine, tmp_path):
    content = bytearray(encode("m4a", sine(44100), 44100))
    sample_entry = content.index(b"mp4a", content.index(b"stsd"))
    content[sample_entry : sample_entry + 4] = b"zzzz"
    object_type = content.index(b"\x04\x80\x80\x80", content.index(b"esds")) + 5
    content[object_type] = 0xC9
    message = refused_file(tmp_path, "strange.m4a", bytes(content))
    assert message == "its codec is not known; convert it to wav or flac first"


def test_video_without_sound(tmp_path):
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        stream = output.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        picture = np.zeros((64, 64, 3), dtype=np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode(None))
    message = refused_file(tmp_path, "silent.mp4", file.getvalue())
    assert message == "it holds no audio track; give a file that does"


@pytest.mark.parametrize("rate", [1000, 3999, 192001, 384000])
def test_file_with_a_rate_out_of_range(encode, sine, tmp_path, rate):
    message = refused_file(tmp_path, "rate.wav", encode("wav-16", sine(rate, frequency=9), rate))
    assert message.startswith(f"a sample rate of {rate} Hz is out of range; rates from 4000 to")


def test_a_header_that_lies_about_its_size(encode, sine):
    content = bytearray(encode("flac", sine(16000), 16000))
    content[21] |= 0x0F  # 36 bits for the number of samples: 2**36 - 1, 256 GB as floats
    content[22:26] = b"\xff" * 4
    assert "cut short or damaged" in refusal(bytes(content))


@pytest.mark.parametrize("kind", ["mp3", "m4a", "webm", "ogg", "flac"])
def test_libraries_write_nothing_to_the_terminal(encode, sine, capfd, kind):
    content = bytearray(encode(kind, sine(48000), 48000))
    content[len(content) // 3 : len(content) // 2] = np.random.default_rng(0).bytes(
        len(content) // 2 - len(content) // 3
    )
    for damaged in (bytes(content), bytes(content[: len(content) * 2 // 3])):
        with suppress(AudioError):
            load_audio(damaged)
    assert capfd.readouterr() == ("", "")


def test_text_stream(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_text("not audio")
    with path.open() as file:
        assert refusal(file) == f"{path}: it is open as text; open it with mode 'rb'"


def test_stream_at_its_end():
    file = io.BytesIO()
    soundfile.write(file, np.zeros(160), 16000, format="WAV")
    assert refusal(file) == "audio stream: nothing is left to read; rewind it with seek(0)"
    file.seek(0)
    assert len(load_audio(file)) == 160


def test_closed_stream():
    file = io.BytesIO(b"RIFF")
    file.close()
    assert "cannot be read" in refusal(file)


@pytest.mark.parametrize("source", [np.zeros(16000), [0.0, 0.1]])
def test_array_without_rate(source):
    assert refusal(source) == "audio array: an array needs its sample rate; pass (array, rate)"


@pytest.mark.parametrize("source", [None, 3, {"array": 1}])
def test_something_else(source):
    assert f"cannot load audio from {type(source).__name__}: expected a path" in refusal(source)


@pytest.mark.parametrize("rate", [0, -16000, 3999, 192001])
def test_rate_out_of_range(rate):
    assert f"a sample rate of {rate} Hz is out of range" in refusal((np.zeros(100), rate))
    assert f"a sample rate of {rate} Hz is out of range" in refusal(
        (np.zeros(100), 16000), sample_rate=rate
    )


@pytest.mark.parametrize("rate", [None, "16000", 16000.5, float("nan"), True, [16000]])
def test_rate_of_the_wrong_type(rate):
    assert "must be a whole number of Hz" in refusal((np.zeros(100), rate))


def test_wrong_number_of_values():
    assert "expected (array, rate), not 3 values" in refusal((np.zeros(100), 16000, "x"))


def test_nothing_leaks_when_reading_fails(tmp_path):
    """The file is closed, so that it can be removed, on Windows too."""
    path = tmp_path / "text.wav"
    path.write_text("not audio " * 100)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(5):
        with pytest.raises(AudioError):
            decode(path)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


def test_a_wav_of_nothing_but_chunks():
    """The search for the samples ends."""
    chunks = struct.pack("<4sI", b"JUNK", 0) * 5000
    content = b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WAVE" + chunks
    assert "not audio" in refusal(content)


def test_messages_of_ffmpeg_never_enter_python(encode, sine):
    """They come from threads of its own, too, which could crash while the interpreter ends."""
    content = bytearray(encode("aac", sine(16000), 16000))
    content[400:600] = bytes(200)
    with suppress(AudioError):
        load_audio(bytes(content))
    assert av.logging.get_level() is None
    assert av.logging.get_last_error() == (0, None)
