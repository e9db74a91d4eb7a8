"""Baselines in use: the same answer wherever they are taken out."""

from __future__ import annotations

import dataclasses
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

import affekt
from affekt import Baseline, Model
from affekt.errors import DataError, ModelError
from affekt.results import Prediction
from affekt.runtime.adapted import adapt_predictions
from affekt.runtime.bundle import SHIPPED, open_bundle
from affekt.runtime.head import Head, read_head
from affekt.runtime.options import TimelineOptions
from affekt.runtime.streaming.stream import Stream


@pytest.fixture(scope="module", params=SHIPPED)
def model(request: pytest.FixtureRequest) -> Model:
    return affekt.load_model(request.param, threads=1)


@pytest.fixture(scope="module")
def voice(recordings: list[Path]) -> list[Path]:
    """So many recordings that what they have in common is more than chance."""
    return recordings[:6] * 3


@pytest.fixture(scope="module")
def baseline(model: Model, voice: list[Path]) -> Baseline:
    return model.baseline(voice)


def scores(prediction: Prediction) -> np.ndarray:
    return np.array(list(prediction.scores.values()))


def test_the_head_of_a_shipped_model_answers_as_its_graph(
    model: Model, recordings: list[Path]
) -> None:
    head = read_head(model.config)
    for answer in model.predict_batch(recordings):
        logits = head.logits(answer.embedding[None])[0]
        odds = np.exp(logits - logits.max())
        np.testing.assert_allclose(odds / odds.sum(), scores(answer), atol=1e-2)


def test_no_recordings_change_nothing(model: Model, voice: list[Path]) -> None:
    plain, adapted = model.predict(voice[0]), model.with_baseline(model.baseline([]))
    np.testing.assert_allclose(scores(adapted.predict(voice[0])), scores(plain), atol=1e-6)


def test_a_baseline_changes_answers_and_leaves_embeddings(
    model: Model, baseline: Baseline, voice: list[Path]
) -> None:
    assert (baseline.model, baseline.count) == (model.config.name, 18)
    plain, adapted = model.predict(voice[0]), model.predict(voice[0], baseline=baseline)
    assert np.abs(scores(plain) - scores(adapted)).max() > 1e-3
    assert adapted.label == model.labels[scores(adapted).argmax()]
    assert adapted.confidence == pytest.approx(scores(adapted).max())
    np.testing.assert_array_equal(plain.embedding, adapted.embedding)


def test_a_baseline_takes_the_place_of_another(voice: list[Path]) -> None:
    model = affekt.load_model("nano", threads=1)
    first, second = model.baseline(voice[:1]), model.baseline(voice)
    adapted = model.with_baseline(first)
    again = adapted.with_baseline(second).predict(voice[0])
    assert scores(again) == pytest.approx(scores(model.predict(voice[0], baseline=second)))
    np.testing.assert_array_equal(adapted.baseline(voice).mean, second.mean)


def test_a_folder_adapts_to_itself(model: Model, baseline: Baseline, voice: list[Path]) -> None:
    plain = model.predict_batch(voice)
    for found, file in zip(adapt_predictions(model.config, plain), voice, strict=True):
        expected = model.predict(file, baseline=baseline)
        np.testing.assert_allclose(scores(found), scores(expected), atol=1e-5)
        assert found.label == expected.label
    assert list(adapt_predictions(model.config, plain[:1])) == plain[:1]


def test_time_lines_and_streams_take_it_out_too(
    model: Model, baseline: Baseline, voice: list[Path]
) -> None:
    adapted = model.with_baseline(baseline)
    samples = np.concatenate([affekt.load_audio(file) for file in voice[:3]])
    stream = adapted.stream()
    live = [segment for part in np.array_split(samples, 7) for segment in stream.push(part)]
    live += stream.flush()
    for found, expected in zip(live, adapted.timeline((samples, 16000)), strict=True):
        assert (found.start, found.end, found.label) == (
            pytest.approx(expected.start),
            pytest.approx(expected.end),
            expected.label,
        )
        assert found.scores == pytest.approx(dict(expected.scores), abs=1e-5)
    plain = [one.scores for one in model.measure((samples, 16000)) if one.scores]
    moved = [one.scores for one in adapted.measure((samples, 16000)) if one.scores]
    differences = [abs(a[x] - b[x]) for a, b in zip(plain, moved, strict=True) for x in a]
    assert max(differences) > 1e-3


def numbers(model: Model) -> tuple[np.ndarray, np.ndarray]:
    head = read_head(model.config)
    return head.mean, head.contrasts


def learnt(stream: Stream, samples: np.ndarray, parts: int) -> list[dict[str, float]]:
    found = []
    for part in np.array_split(samples, parts):
        stream.push(part)
        found += [dict(one.scores) for one in stream.measurements]
    stream.flush()
    return found + [dict(one.scores) for one in stream.measurements]


def test_a_stream_learns_as_it_listens(model: Model, voice: list[Path]) -> None:
    samples = np.concatenate([affekt.load_audio(file) for file in voice[:6]])
    options = TimelineOptions(window=1.0, hop=0.5, vad="off")
    stream = model.stream(options, learn=True)
    assert stream.baseline is not None
    assert stream.baseline.count == 0
    few, many = learnt(stream, samples, 3), learnt(model.stream(options, learn=True), samples, 40)
    for one, other in zip(few, many, strict=True):  # the same however the sound is cut
        assert one == pytest.approx(other, abs=1e-5)
    count = stream.baseline.count
    assert len(samples) / 16000 - 2 < count <= len(samples) / 16000
    plain = learnt(model.stream(options), samples, 3)
    assert plain[0] == pytest.approx(few[0], abs=1e-5)  # nothing is known yet
    # What it has learnt is a baseline like any other, and the next stream goes on with it.
    further = model.stream(options, baseline=stream.baseline, learn=True)
    again = learnt(further, samples, 3)
    if stream.baseline.weight(*numbers(model)):
        assert max(abs(a[k] - b[k]) for a, b in zip(plain, again, strict=True) for k in a) > 1e-3
    assert further.baseline is not None
    assert further.baseline.count == 2 * count
    assert stream.baseline.count == count
    further.reset()
    assert further.baseline.count == count


def test_a_stream_without_a_baseline_has_none() -> None:
    assert affekt.load_model("live").stream().baseline is None


def test_a_long_recording_is_the_same_by_itself_and_in_a_folder(voice: list[Path]) -> None:
    """One that is read in parts: its mean embedding is moved, not that of each part."""
    model = affekt.load_model("nano", threads=1)
    samples = np.concatenate([affekt.load_audio(file) for file in voice[:2]])
    files = [(np.resize(samples, 130 * 16000), 16000), (samples, 16000)]
    baseline = model.baseline(files)
    assert baseline.weight(*numbers(model)) > 0
    found = adapt_predictions(model.config, model.predict_batch(files))
    for one, file in zip(found, files, strict=True):
        expected = model.predict(file, baseline=baseline)
        np.testing.assert_allclose(scores(one), scores(expected), atol=1e-5)


def test_a_baseline_of_another_model_is_refused(voice: list[Path]) -> None:
    small, nano = affekt.load_model("small"), affekt.load_model("nano")
    with pytest.raises(DataError, match="built with the model 'nano', not with this 'small'"):
        small.predict(voice[0], baseline=nano.baseline(voice))


def test_a_model_without_a_head_says_so(tiny_model: Path) -> None:
    model = affekt.load_model(tiny_model)
    with pytest.raises(ModelError, match="keeps no 'emotion_head'.*export it again"):
        model.baseline([])


@pytest.mark.parametrize(
    "damage",
    [{"weights": "???"}, {"bias": ""}, {"mean": "AAAA"}, {"exponent": "x"}, {"weights": None}],
)
def test_a_damaged_head_is_told(damage: dict[str, object]) -> None:
    bundle = open_bundle("nano")
    assert bundle.config is not None
    raw = json.loads(json.dumps(dict(bundle.config.raw)))
    raw["emotion_head"].update(damage)
    with pytest.raises(ModelError, match="damaged numbers under 'emotion_head'"):
        read_head(dataclasses.replace(bundle.config, raw=raw))


def test_the_example_runs(
    repository: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    example = repository / "examples" / "own_voice.py"
    monkeypatch.setattr("sys.argv", [str(example)])
    monkeypatch.chdir(tmp_path)
    for count in (2, 4):  # the second time it goes on from what it knows
        runpy.run_path(str(example))
        said, *rows = capsys.readouterr().out.splitlines()
        assert said == f"a voice of {count} recordings"
        baseline, file = Baseline.load("my-voice.json"), example.parent / "recordings"
        answer = affekt.load_model("base").predict(
            file / "english-man-angry.wav", baseline=baseline
        )
        shown = {row.split()[0]: row.split()[-1] for row in rows}
        for label, score in answer.scores.items():
            assert float(shown[label].rstrip("%")) == pytest.approx(100 * score, abs=0.11)


def test_what_the_mood_explains_is_no_part_of_it() -> None:
    weights = np.array([[1.0, 0, 0], [0, 2, 0]], dtype=np.float32)
    head = Head(weights, np.zeros(2, np.float32), np.zeros(3, np.float32))
    embedding = np.array([[5.0, 1, 4]], dtype=np.float32)
    sure = head.without_mood(embedding, np.array([[1.0, 0.0]], dtype=np.float32))
    unsure = head.without_mood(embedding, np.array([[0.5, 0.5]], dtype=np.float32))
    np.testing.assert_allclose(unsure, embedding)
    assert sure[0, 2] == embedding[0, 2]  # what says nothing of emotions stays
    lost = head.logits(embedding) - head.logits(sure)
    assert lost[0, 0] - lost[0, 1] == pytest.approx(3.0)


def test_what_the_mood_explains_is_told_exactly(model: Model) -> None:
    """The moves hold no direction in which the logits are all moved alike."""
    head = read_head(model.config)
    answers = np.eye(len(model.labels), dtype=np.float32)
    lost = -head.without_mood(np.zeros((len(answers), len(head.mean)), np.float32), answers)
    found = lost @ head.contrasts.T
    np.testing.assert_allclose(found, 3 * (answers - 1 / len(answers)), atol=1e-3)
    # The least move that does so: none of it lies outside of the weights.
    inside = lost @ np.linalg.pinv(head.contrasts.astype(np.float64), rcond=1e-6)
    inside = inside @ head.contrasts
    np.testing.assert_allclose(inside, lost, atol=1e-3)


def test_it_helps_with_voices_and_a_language_never_heard(data_root: Path) -> None:
    """Two of EMO-DB's test speakers, whom no shipped model was trained on."""
    from affekt.data import load_corpus

    model = affekt.load_model("base", threads=1)
    clips = [c for c in load_corpus("emodb", data_root) if c.speaker in ("08", "15")]
    clips = [c for c in clips if c.emotion in model.labels]
    plain = model.predict_batch([clip.file for clip in clips])
    found = {}
    for speaker in ("08", "15"):
        own = [i for i, clip in enumerate(clips) if clip.speaker == speaker]
        answers = adapt_predictions(model.config, [plain[i] for i in own])
        found.update(zip(own, answers, strict=True))
    right = np.mean([found[i].label == clip.emotion for i, clip in enumerate(clips)])
    before = np.mean([a.label == clip.emotion for a, clip in zip(plain, clips, strict=True)])
    assert right >= before
