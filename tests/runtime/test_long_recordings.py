"""Recordings of hours are predicted in the memory of minutes."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt.audio import LoadedAudio, check_audio
from affekt.data import load_corpus
from affekt.errors import AudioError
from affekt.runtime.backends import OnnxBackend, open_backend
from affekt.runtime.bundle import open_bundle

RATE = 16_000


@pytest.fixture(scope="module")
def talk(recordings: list[Path]) -> np.ndarray:
    """Return 150 s of voices."""
    voices = np.concatenate([affekt.load_audio(file) for file in recordings])
    return np.resize(voices, 150 * RATE)


def test_block_by_block_is_as_good_as_at_once(talk: np.ndarray) -> None:
    whole = open_backend(open_bundle("live")).run(talk[None])
    answer = affekt.load_model("live").predict((talk, RATE))
    assert answer.duration == 150
    np.testing.assert_allclose(list(answer.scores.values()), whole["probabilities"][0], atol=1e-4)
    np.testing.assert_allclose(answer.embedding, whole["embedding"][0], atol=1e-3)
    assert any(warning.startswith("long") for warning in answer.warnings)


def test_long_ones_among_short_ones_keep_their_order(talk: np.ndarray) -> None:
    model = affekt.load_model("live")
    sources = [talk[: 3 * RATE], talk, talk[: 2 * RATE]]
    answers = model.predict_batch([(samples, RATE) for samples in sources])
    assert [answer.duration for answer in answers] == [3, 150, 2]


@pytest.mark.parametrize("seconds", [6, 130])
def test_a_model_that_takes_everything_at_once_predicts_parts(
    talk: np.ndarray, seconds: int
) -> None:
    """Of 5 s; the last two are of equal length, and silence has no part in the mean."""
    model, backend = affekt.load_model("base"), open_backend(open_bundle("base"))
    samples = talk[: seconds * RATE].copy()
    if seconds == 130:
        samples[35 * RATE : 60 * RATE] = 0
    answer = model.predict((samples, RATE))
    assert answer.duration == seconds
    parts = samples.reshape(-1, len(samples) // (-(-seconds // 5)))
    loud = parts[np.abs(parts).max(axis=1) > 0]
    mean = np.mean([backend.run(part[None])["probabilities"][0] for part in loud], axis=0)
    np.testing.assert_allclose(list(answer.scores.values()), mean, atol=1e-5)
    clip = LoadedAudio(samples, check_audio(samples, RATE))
    assert model.predict_clips([clip])[0].scores == pytest.approx(answer.scores, abs=1e-5)


def test_parts_are_better_than_the_whole(data_root: Path) -> None:
    """Statistics over many sentences are unlike those of the clips that base was trained on."""
    clips = [clip for clip in load_corpus("cremad", data_root) if clip.speaker == "1015"]
    whole = OnnxBackend(open_bundle("base"), threads=1, whole=True)
    in_parts = OnnxBackend(open_bundle("base"), threads=1)
    gained = []
    for index, emotion in enumerate(whole.config.labels):
        files = [clip.file for clip in clips if clip.emotion == emotion]
        samples = np.concatenate([affekt.load_audio(file) for file in files])[None, : 20 * RATE]
        one, other = (
            backend.run(samples)["probabilities"][0, index] for backend in (in_parts, whole)
        )
        gained.append(one - other)
    assert np.mean(gained) > 0.1


def test_silence_of_minutes_is_named(tiny_model: Path) -> None:
    for name in ("base", tiny_model):
        with pytest.raises(AudioError, match="it is silent"):
            affekt.load_model(name).predict((np.zeros(130 * RATE, np.float32), RATE))


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="reads /proc")
@pytest.mark.parametrize(
    ("model", "factor", "most"),
    [("live", 8, 250), ("base", 2, 280)],  # its graph and 5 s of attention take what is more
)
def test_memory_is_bounded(
    talk: np.ndarray, tmp_path: Path, model: str, factor: int, most: int
) -> None:
    """Many times as long takes no more memory, from files and from arrays."""
    samples = (talk * 32767).astype("<i2").tobytes()
    for name, times in (("short", 1), ("long", factor)):
        size = times * len(samples)
        form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
        head = b"RIFF" + struct.pack("<I", size + 36) + b"WAVEfmt " + struct.pack("<I", 16) + form
        with (tmp_path / f"{name}.wav").open("wb") as file:
            file.write(head + b"data" + struct.pack("<I", size))
            for _ in range(times):
                file.write(samples)
    code = (
        "import sys, numpy as np, affekt\n"
        "model = affekt.load_model(sys.argv[3], threads=1); n = int(sys.argv[4])\n"
        # Not ru_maxrss, which begins with the peak of the process that started this one.
        "status = lambda: open('/proc/self/status').read().split()\n"
        "peak = lambda: int(status()[status().index('VmHWM:') + 1]) // 1024\n"
        "model.predict(sys.argv[1]); first = peak()\n"
        "model.predict(sys.argv[2]); second = peak()\n"
        "array = np.memmap(sys.argv[2], '<i2', mode='r', offset=44)\n"
        "array = np.broadcast_to(array[: len(array) // n], (n, len(array) // n)).reshape(-1)\n"
        "before = peak(); model.predict((array, 16000)); print(first, second, before, peak())\n"
    )
    words = [sys.executable, "-c", code, tmp_path / "short.wav", tmp_path / "long.wav"]
    words += [model, str(factor)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    first, second, before, last = map(int, done.stdout.split())
    assert second - first < 25, done.stdout  # MB
    assert last - before < 25, done.stdout
    assert second < most, done.stdout
