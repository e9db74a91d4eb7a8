from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from tiny_model import write_tiny_model

import affekt
from affekt.errors import AffektError, AudioError
from affekt.results import Prediction
from affekt.runtime import Model

RATE = 16000


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return affekt.load_model(tiny_model, threads=1)


def noise(seconds: float, level: float = 0.1, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    samples = generator.normal(0, level, int(seconds * RATE)) * syllables(seconds, RATE)
    return samples.astype(np.float32)


def syllables(seconds: float, rate: int) -> np.ndarray:
    """Four bursts a second with pauses between them, as speech has: what is steady is noise."""
    times = np.arange(int(seconds * rate)) / rate
    return np.where(np.sin(2 * np.pi * 4 * times) > -0.5, 1.0, 0.01)


def test_an_answer_is_whole(model: Model) -> None:
    answer = model.predict((noise(1.5), RATE))
    assert answer.label == max(answer.scores, key=answer.scores.__getitem__)
    assert answer.confidence == answer.scores[answer.label]
    assert tuple(answer.scores) == model.labels
    assert sum(answer.scores.values()) == pytest.approx(1, abs=1e-6)
    assert answer.embedding.shape == (3,)
    assert answer.embedding.dtype == np.float32
    assert answer.duration == pytest.approx(1.5)
    assert answer.warnings == ()
    assert answer.ranked()[0] == (answer.label, answer.confidence)
    assert sorted(name for name, _ in answer.ranked()) == sorted(model.labels)


def test_a_set_holds_what_is_probable_enough(model: Model, tmp_path: Path) -> None:
    assert model.predict((noise(1.5), 16000)).likely is None
    calibration = {"method": "temperature", "temperature": 1.0}
    for least in (0.0, 0.15, 1.0):
        changed = {**calibration, "least_probability": least}
        folder = write_tiny_model(tmp_path / f"{least}", calibration=changed)
        answer = affekt.load_model(folder).predict((noise(1.5), 16000))
        ranked = answer.ranked()
        expected = [label for label, value in ranked if value >= least] or [ranked[0][0]]
        assert answer.likely == tuple(expected)
        assert answer.extras()["likely"] == " or ".join(expected)
        assert answer.to_dict()["likely"] == expected


def test_the_graph_hears_the_recording(model: Model) -> None:
    samples = noise(1.0)
    expected = [np.abs(samples).mean(), np.square(samples).mean(), np.abs(samples).max()]
    np.testing.assert_allclose(model.predict((samples, RATE)).embedding, expected, rtol=1e-4)


def test_every_kind_of_source_gives_one_answer(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    samples = noise(1.0)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with path.open("rb") as file:
        sources = [path, str(path), path.read_bytes(), (samples, RATE), file]
        answers = model.predict_batch(sources)
    assert all(answer == answers[0] for answer in answers)


def test_stereo_at_another_rate(model: Model) -> None:
    time = np.arange(44100) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 220 * time)
    stereo = model.predict((np.stack([tone, tone], axis=1), 44100))
    mono = model.predict((0.3 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE), RATE))
    assert stereo.duration == pytest.approx(1.0)
    for label in model.labels:
        assert stereo.scores[label] == pytest.approx(mono.scores[label], abs=0.01)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8, 100])
def test_a_batch_changes_no_answer(model: Model, batch_size: int) -> None:
    lengths = [1.0, 0.5, 1.0, 2.0, 0.5, 1.0, 1.0]
    clips = [(noise(length, seed=seed), RATE) for seed, length in enumerate(lengths)]
    alone = [model.predict(clip) for clip in clips]
    together = model.predict_batch(clips, batch_size=batch_size)
    assert len(together) == len(alone)
    for one, other in zip(alone, together, strict=True):
        assert one.label == other.label
        assert one.duration == other.duration
        np.testing.assert_allclose(list(one.scores.values()), list(other.scores.values()), 1e-5)
        np.testing.assert_allclose(one.embedding, other.embedding, rtol=1e-5)


def test_an_empty_batch(model: Model) -> None:
    assert model.predict_batch([]) == []


def test_a_batch_size_of_zero(model: Model) -> None:
    with pytest.raises(ValueError, match="batch_size is 0, expected 1 or more"):
        model.predict_batch([(noise(1), RATE)], batch_size=0)


def test_each_goes_on_after_an_error(model: Model, tmp_path: Path) -> None:
    sources = [(noise(1), RATE), tmp_path / "none.wav", (np.zeros(RATE), RATE), (noise(2), RATE)]
    answers = list(model.predict_each(sources))
    assert [type(answer) for answer in answers] == [Prediction, AudioError, AudioError, Prediction]
    with pytest.raises(AudioError, match=r"none\.wav: no such file"):
        model.predict_batch(sources)


def test_each_reads_only_a_few_ahead(model: Model) -> None:
    asked = 0

    def endless() -> object:
        nonlocal asked
        while True:
            asked += 1
            yield noise(0.5), RATE

    stream = model.predict_each(endless(), batch_size=4)
    for _ in range(5):
        next(stream)
    assert asked == 8


def test_threads_may_share_a_model(model: Model) -> None:
    clips = [(noise(0.5, seed=seed), RATE) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        shared = list(pool.map(model.predict, clips))
    assert shared == [model.predict(clip) for clip in clips]


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(RATE, np.float32), r"it is silent \(peak -120 dBFS\)"),
        (np.full(RATE, 1e-5, np.float32), "it is silent"),
        (noise(0.003), r"it is too short: 0\.003 s, the model needs 0\.1 s"),
        (np.array([0.5], np.float32), "it is too short"),
        (np.zeros(0, np.float32), "holds no samples"),
        (np.array([0.1, np.nan] * RATE), "NaN or infinite"),
        (np.array([0.1, np.inf] * RATE), "NaN or infinite"),
        (np.array([0, 70000] * RATE), "beyond 16 bits"),
    ],
)
def test_samples_that_cannot_be_judged(model: Model, samples: np.ndarray, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        model.predict((samples, RATE))


def test_an_array_needs_its_rate(model: Model) -> None:
    with pytest.raises(AudioError, match="needs its sample rate"):
        model.predict(noise(1))  # type: ignore[arg-type]


def test_an_error_names_its_file(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "hush.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"hush\.wav: it is silent"):
        model.predict(path)


def test_the_shortest_clip_is_the_models_to_say(tmp_path: Path) -> None:
    model = affekt.load_model(write_tiny_model(tmp_path, minimum_duration=2.0))
    with pytest.raises(AudioError, match=r"too short: 1 s, the model needs 2 s"):
        model.predict((noise(1), RATE))


@pytest.mark.parametrize(
    ("samples", "warning"),
    [
        (np.clip(noise(1, level=0.8), -1, 1), "clipped: "),
        (noise(1, level=0.001), "very quiet: -62 dBFS"),
        (noise(0.3), "short: 0.30 s"),
        (noise(31), "long: one answer for 31 s"),
    ],
)
def test_warnings_are_told(model: Model, samples: np.ndarray, warning: str) -> None:
    (told,) = model.predict((samples, RATE)).warnings
    assert told.startswith(warning)


@pytest.mark.parametrize(
    ("samples", "warning"),
    [
        (np.random.default_rng(0).normal(0, 0.1, RATE), "noisy: the sound stands -"),
        (
            soxr.resample(soxr.resample(noise(1), RATE, 8000), 8000, RATE),
            "band-limited: nothing above 3.9 kHz",
        ),
    ],
)
def test_poor_sound_is_told(model: Model, samples: np.ndarray, warning: str) -> None:
    answer = model.predict((samples.astype(np.float32), RATE))
    (told,) = answer.warnings
    assert told.startswith(warning)
    assert answer.quality is not None


def test_clipping_is_seen_at_the_rate_of_the_recording(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    time = np.arange(48000) / 48000
    square = np.clip(3 * np.sin(2 * np.pi * 180 * time), -1, 1) * syllables(1, 48000)
    soundfile.write(path, square, 48000, subtype="PCM_16")
    (told,) = model.predict(path).warnings
    fraction = float(told.removeprefix("clipped: ").split("%")[0]) / 100
    assert fraction == pytest.approx(2 / 3 * 2 / np.pi * np.arccos(1 / 3), abs=0.01)


def test_a_graph_that_answers_with_nan(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    graph = write_tiny_model(tmp_path) / "model.onnx"
    proto = onnx.load(graph)
    weights = next(tensor for tensor in proto.graph.initializer if tensor.name == "weights")
    broken = np.full_like(numpy_helper.to_array(weights), np.nan)
    weights.CopyFrom(numpy_helper.from_array(broken, "weights"))
    onnx.save(proto, graph)
    with pytest.raises(AffektError, match="answers with no probabilities"):
        affekt.load_model(tmp_path).predict((noise(1), RATE))


def test_a_model_says_what_it_is(model: Model) -> None:
    assert repr(model).startswith("Model(name='tiny', labels=('angry', ")


def test_bytes_of_a_lossy_file(model: Model) -> None:
    encoded = io.BytesIO()
    soundfile.write(encoded, noise(1), RATE, format="MP3")
    assert model.predict(encoded.getvalue()).duration == pytest.approx(1.0, abs=0.1)
