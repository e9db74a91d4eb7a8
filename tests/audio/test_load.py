"""What is recorded is what is loaded, whatever it is stored in."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affekt.audio import SAMPLE_RATE, decode, load_audio, source_name
from affekt.errors import AudioError

ALL_RATES = (4000, 8000, 11025, 22050, 44100, 48000, 96000, 192000)
OPUS_RATES = (8000, 16000, 24000, 48000)
RATES = {
    "ogg": ALL_RATES[1:],
    "opus": OPUS_RATES,
    "mp3": (8000, 11025, 22050, 44100, 48000),
    "m4a": (8000, 11025, 22050, 44100, 48000, 96000),
    "aac": (8000, 44100),
    "webm": OPUS_RATES,
    "mka": ALL_RATES,
}
LOSSLESS = ("wav-16", "wav-24", "wav-32", "wav-float", "wav-double", "flac", "flac-24", "aiff")
KINDS = (*LOSSLESS, "wav-u8", "ogg", "opus", "mp3", "m4a", "aac", "webm", "mka")
CASES = [
    (kind, rate, channels)
    for kind in KINDS
    for rate in RATES.get(kind, ALL_RATES)
    for channels in (1, 2, 6)
    if not (kind == "mp3" and channels > 2)
]


def fit_sine(samples, frequency):
    """Return amplitude of a sine in the middle half, and the ratio to what is left, in dB."""
    middle = samples[len(samples) // 4 : 3 * len(samples) // 4].astype(np.float64)
    phase = 2 * np.pi * frequency * np.arange(len(middle)) / SAMPLE_RATE
    basis = np.stack([np.sin(phase), np.cos(phase)], axis=1)
    weights = np.linalg.lstsq(basis, middle, rcond=None)[0]
    rest = middle - basis @ weights
    ratio_db = 10 * np.log10(np.mean((basis @ weights) ** 2) / (np.mean(rest**2) + 1e-20))
    return np.hypot(*weights), ratio_db


def faults_of_a_sine(samples, kind, rate, channels):
    """Say what is wrong with a second of 1 kHz at half of full scale that was stored and loaded."""
    amplitude, ratio_db = fit_sine(samples, 1000.0)
    lossy = kind not in LOSSLESS
    tolerance = 0.1 if lossy else 0.005
    # Most codecs keep no 1 kHz in the low-frequency channel of 5.1: five of six are left.
    least = 0.5 * 5 / 6 if lossy and channels == 6 else 0.5
    # Bare AAC has no header that says how much of its first and last packet is padding.
    slack = 3 * 1024 * SAMPLE_RATE / rate if kind == "aac" else 2
    checks = {
        f"{samples.dtype}": samples.dtype == np.float32,
        f"{samples.ndim} dimensions": samples.ndim == 1,
        "not contiguous": samples.flags.c_contiguous,
        f"amplitude {amplitude:.4f}": least * (1 - tolerance) < amplitude < 0.5 * (1 + tolerance),
        f"sine {ratio_db:.1f} dB above the rest": ratio_db > (15 if lossy else 55),
        f"{len(samples)} samples": abs(len(samples) - SAMPLE_RATE) <= slack,
    }
    return [fault for fault, right in checks.items() if not right]


def test_a_sine_keeps_pitch_level_and_length(encode, sine):
    """One test for some 320 cases; its message names each case that is wrong."""
    wrong = {}
    for kind, rate, channels in CASES:
        try:
            samples = load_audio(encode(kind, sine(rate, channels=channels), rate))
            faults = faults_of_a_sine(samples, kind, rate, channels)
        except AudioError as error:
            faults = [str(error)]
        if faults:
            wrong[kind, rate, channels] = faults
    assert len(CASES) > 300
    assert wrong == {}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "aac"])
def test_a_click_keeps_its_place(encode, kind):
    samples = np.zeros(48000, dtype=np.float32)
    samples[24000:24012] = 0.9  # 0.5 s
    loaded = load_audio(encode(kind, samples, 48000))
    assert np.abs(loaded).argmax() / SAMPLE_RATE == pytest.approx(0.5, abs=0.001)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_16_khz_is_exact(encode, kind):
    samples = np.random.default_rng(0).integers(-(2**15), 2**15, 4000).astype(np.float32) / 2**15
    np.testing.assert_array_equal(load_audio(encode(kind, samples, 16000)), samples)


@pytest.mark.parametrize("kind", ["wav-16", "flac", "ogg", "m4a", "webm"])
def test_channels_are_mixed_by_their_mean(encode, sine, kind):
    rate = 48000
    both = np.hstack([sine(rate, frequency=400), sine(rate, frequency=1100)])
    mixed = load_audio(encode(kind, both, rate))
    for frequency in (400, 1100):
        assert fit_sine(mixed, frequency)[0] == pytest.approx(0.25, rel=0.05)


@pytest.mark.parametrize("kind", ["wav-16", "flac", "mp3", "webm"])
def test_channels_that_cancel_are_refused(encode, sine, kind):
    wave = sine(48000)
    both = np.hstack([wave, -wave])
    for source in ((both, 48000), encode(kind, both, 48000)):
        with pytest.raises(AudioError, match="its channels cancel each other"):
            load_audio(source)


def test_path_bytes_file_and_array_agree(encode, sine, tmp_path):
    samples = sine(22050, channels=2)
    content = encode("wav-float", samples, 22050)
    path = tmp_path / "speech.wav"
    path.write_bytes(content)
    expected = load_audio((samples, 22050))
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        sources = [path, str(path), content, bytearray(content), io.BytesIO(content), file, raw]
        for source in sources:
            np.testing.assert_array_equal(load_audio(source), expected)
        assert not file.closed


def test_a_pipe_can_be_read(encode, sine):
    content = encode("flac", sine(16000), 16000)
    read_end, write_end = os.pipe()

    def feed():
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=feed)
    writer.start()
    with os.fdopen(read_end, "rb") as pipe:
        assert len(load_audio(pipe)) == 16000
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_can_be_read(encode, sine, tmp_path):
    path = tmp_path / "speech.pipe"
    os.mkfifo(path)
    content = encode("wav-16", sine(16000), 16000)
    writer = threading.Thread(target=path.write_bytes, args=(content,))
    writer.start()
    assert len(load_audio(path)) == 16000
    writer.join()


@pytest.mark.parametrize("name", ["speech", "speech.txt", "speech.raw", "speech.vox", "Rede é.wav"])
def test_the_name_says_nothing(encode, sine, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(encode("wav-16", sine(16000), 16000))
    assert len(load_audio(path)) == 16000


def test_another_sample_rate(encode, sine):
    assert len(load_audio(encode("wav-16", sine(16000), 16000), sample_rate=8000)) == 8000


def test_decode_keeps_rate_and_channels(encode, sine):
    samples, rate = decode(encode("m4a", sine(44100, channels=2), 44100))
    assert rate == 44100
    assert samples.shape == (44100, 2)
    assert samples.dtype == np.float32


def test_overshoot_is_kept(encode):
    samples = np.array([0.0, 1.5, -1.5], dtype=np.float32)
    np.testing.assert_array_equal(load_audio(encode("wav-float", samples, 16000)), samples)


@pytest.mark.parametrize("kind", ["wav-16", "flac", "aiff"])
@pytest.mark.parametrize("rate", [4000, 16000, 192000])
def test_one_sample_loads(encode, kind, rate):
    samples = load_audio(encode(kind, np.full(1, 0.25, dtype=np.float32), rate))
    assert len(samples) == max(1, SAMPLE_RATE // rate)
    assert np.isfinite(samples).all()


def test_three_milliseconds_load(encode, sine):
    assert len(load_audio(encode("wav-16", sine(48000, seconds=0.003), 48000))) == 48


@pytest.mark.parametrize("kind", KINDS)
def test_silence_loads(encode, kind):
    samples = load_audio(encode(kind, np.zeros(24000, dtype=np.float32), 48000))
    assert np.abs(samples).max() < 1e-4


def test_a_chunk_before_the_samples(encode, sine):
    """Four EMO-DB recordings carry a 4 kB ``PAD `` chunk before ``data``."""
    content = encode("wav-16", sine(16000), 16000)
    data = content.index(b"data")
    padded = content[:data] + b"PAD " + struct.pack("<I", 4044) + bytes(4044) + content[data:]
    padded = padded[:4] + struct.pack("<I", len(padded) - 8) + padded[8:]
    np.testing.assert_array_equal(load_audio(padded), load_audio(content))


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_wav_written_to_a_pipe(encode, sine, size):
    """Its writer could not go back to fill in the length."""
    content = bytearray(encode("wav-16", sine(16000), 16000))
    data = content.index(b"data")
    content[data + 4 : data + 8] = struct.pack("<I", size)
    assert len(load_audio(bytes(content))) == 16000


def test_a_flac_written_to_a_pipe(encode, sine):
    content = bytearray(encode("flac", sine(16000), 16000))
    content[21] &= 0xF0  # STREAMINFO: the 36 bits of the number of samples, 0 for unknown
    content[22:26] = bytes(4)
    assert len(load_audio(bytes(content))) == 16000


def test_big_endian_wav(sine):
    file = io.BytesIO()
    soundfile.write(file, sine(16000), 16000, format="WAV", subtype="PCM_16", endian="BIG")
    assert file.getvalue()[:4] == b"RIFX"
    assert len(load_audio(file.getvalue())) == 16000


def test_the_array_is_not_shared(sine):
    samples = sine(16000)[:, 0]
    loaded = load_audio((samples, 16000))
    loaded[:] = 1
    assert samples.max() < 0.6


def test_only_what_is_needed_is_imported(encode, sine, tmp_path):
    """A 16 kHz wav costs the import of numpy alone."""
    path = tmp_path / "speech.wav"
    path.write_bytes(encode("wav-16", sine(16000), 16000))
    code = (
        "import sys; from affekt.audio import load_audio; "
        "assert not {'soundfile', 'soxr', 'av'} & set(sys.modules); "
        "load_audio(sys.argv[1]); "
        "print(*sorted({'soundfile', 'soxr', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (done.stdout.split(), done.stderr) == ([], "")


def test_source_names():
    assert source_name(Path("a") / "b.wav") == str(Path("a") / "b.wav")
    assert source_name(b"RIFF") == "audio bytes"
    assert source_name(io.BytesIO()) == "audio stream"
    assert source_name((np.zeros(1), 16000)) == "audio array"


def load_or_message(content):
    """Return the samples, and the message if there are none."""
    try:
        return load_audio(content), ""
    except AudioError as error:
        return np.zeros(0, dtype=np.float32), str(error)


def check_answer(content):
    """Samples that a model can take, or one line that says why not; never anything else."""
    samples, message = load_or_message(content)
    assert (len(samples) == 0) == (message != "")
    assert samples.dtype == np.float32
    assert np.isfinite(samples).all()
    assert "\n" not in message


MAGIC = (b"", b"RIFF", b"fLaC", b"OggS", b"ID3", b"\xff\xfb", b"FORM", b"\x1aE\xdf\xa3")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(MAGIC))
def test_any_bytes_load_or_raise_audio_error(content, magic):
    check_answer(magic + content)


@pytest.mark.parametrize("kind", KINDS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damaged_files_load_or_raise_audio_error(encode, sine, kind, data):
    content = bytearray(encode(kind, sine(48000, seconds=0.3), 48000))
    for _ in range(data.draw(st.integers(1, 8))):
        # Most of the ways to fail lie in the headers, at both ends of the file.
        place = data.draw(st.integers(-200, min(400, len(content) - 1)))
        content[max(place, -len(content))] = data.draw(st.integers(0, 255))
    check_answer(bytes(content))


@pytest.mark.parametrize(
    ("pattern", "seconds"),
    [
        ("ravdess/Actor_01/*", (2.5, 6.0)),
        ("emodb/wav/*", (1.0, 9.0)),
        ("cremad/audio/1001*", (1.2, 5.1)),
    ],
)
def test_real_recordings(data_root, pattern, seconds):
    files = sorted(data_root.glob(pattern))[:40]
    assert files
    for file in files:
        samples = load_audio(file)
        assert seconds[0] < len(samples) / SAMPLE_RATE < seconds[1]
        assert 0.001 < np.abs(samples).max() <= 1.2


def test_the_silent_recording_of_cremad_loads(data_root):
    (file,) = (data_root / "cremad").rglob("1076_MTI_SAD_XX.*")
    assert np.abs(load_audio(file)).max() < 1e-4
