"""From labelled examples to a model directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from voice import RATE, vowel

import affekt
from affekt.data import Clip
from affekt.errors import DataError, ModelError
from affekt.runtime.examples import AdaptedModel

LABELS = {"angry": 110.0, "frustré": 170.0, "つかれた": 290.0}
SPEAKERS = {"anna": 1.0, "bert": 0.9, "cem": 1.12}


def write_examples(folder: Path, takes: int = 3) -> list[Clip]:
    """Vowels whose pitch tells the label, of speakers with other formants."""
    generator = np.random.default_rng(0)
    clips = []
    for label, pitch in LABELS.items():
        for speaker, size in SPEAKERS.items():
            for take in range(takes):
                formants = ((700.0 * size, 80.0), (1220.0 * size, 90.0), (2600.0 * size, 120.0))
                sound = vowel(pitch * generator.uniform(0.95, 1.05), 0.7, formants)
                sound = sound + generator.normal(0, 0.002, len(sound)).astype(np.float32)
                file = folder / label / speaker / f"{take}.wav"
                file.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(file, sound, RATE)
                clips.append(Clip(file, label, speaker))
    return clips


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    return write_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module", params=["nano", "live"])
def made(
    request: pytest.FixtureRequest, clips: list[Clip], tmp_path_factory: pytest.TempPathFactory
) -> AdaptedModel:
    model = affekt.load_model(request.param, threads=1)
    return model.adapt(clips, tmp_path_factory.mktemp(request.param) / "mine")


def adapt(clips: Sequence[Clip], out: Path, model: str = "nano") -> AdaptedModel:
    return affekt.load_model(model, threads=1).adapt(clips, out)


def test_the_folder_is_a_model_with_the_labels_of_the_examples(
    made: AdaptedModel, clips: list[Clip]
) -> None:
    model = affekt.load_model(made.folder, threads=1)
    assert model.labels == tuple(sorted(LABELS))
    right = [model.predict(clip.file).label == clip.emotion for clip in clips]
    assert np.mean(right) > 0.8
    assert made.metrics is not None
    assert made.metrics.uar > 0.6
    assert made.metrics.ci95["uar"][0] <= made.metrics.uar <= made.metrics.ci95["uar"][1]
    assert made.before is None  # the model does not know two of the labels
    assert made.notes == ()
    assert (dict(made.examples), made.speakers) == ({"angry": 9, "frustré": 9, "つかれた": 9}, 3)


def test_it_says_where_it_comes_from(made: AdaptedModel) -> None:
    config = json.loads((made.folder / "config.json").read_text(encoding="utf-8"))
    assert config["name"] == "mine"
    assert config["base_model"] == made.base_model
    assert config["metrics"][0]["uar"] == pytest.approx(made.metrics.uar, abs=1e-4)  # type: ignore[union-attr]
    card = (made.folder / "README.md").read_text(encoding="utf-8")
    assert f"base_model: {made.base_model}" in card
    assert "9 angry, 9 frustré, 9 つかれた" in card
    # The graph alone is a model, too.
    alone = affekt.load_model(made.folder / "model.onnx", threads=1)
    assert alone.labels == affekt.load_model(made.folder, threads=1).labels


def test_files_time_lines_and_streams_answer_alike(made: AdaptedModel, clips: list[Clip]) -> None:
    model = affekt.load_model(made.folder, threads=1)
    samples = np.concatenate([affekt.load_audio(clip.file) for clip in clips[::3]])
    stream = model.stream()
    live = [segment for part in np.array_split(samples, 5) for segment in stream.push(part)]
    live += stream.flush()
    line = list(model.timeline((samples, RATE)))
    assert line
    for found, expected in zip(live, line, strict=True):
        assert found.label == expected.label
        assert found.scores == pytest.approx(dict(expected.scores), abs=1e-5)
    short = clips[0].file
    (hop,) = [one for one in model.measure(short) if one.scores][-1:]
    assert hop.scores == pytest.approx(dict(model.predict(short).scores), abs=1e-4)


def test_a_baseline_serves_it(made: AdaptedModel, clips: list[Clip]) -> None:
    model = affekt.load_model(made.folder, threads=1)
    baseline = model.baseline([clip.file for clip in clips[:4]])
    plain, moved = (model.predict(clips[0].file, baseline=one) for one in (None, baseline))
    assert plain.scores != moved.scores


def test_it_can_be_adapted_again_and_replaced(clips: list[Clip], tmp_path: Path) -> None:
    out = tmp_path / "mine"
    adapt(clips, out)
    more = affekt.load_model(out, threads=1).adapt(clips, tmp_path / "more")
    assert more.base_model == "mine"
    assert more.before is not None
    adapt(clips[: len(clips) // 3 * 2], out)
    assert len(affekt.load_model(out, threads=1).labels) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "more"]


def test_known_labels_are_measured_before_and_after(clips: list[Clip], tmp_path: Path) -> None:
    names = dict(zip(LABELS, ("angry", "neutral", "sad"), strict=True))
    known = [replace(clip, emotion=names[clip.emotion]) for clip in clips]
    made = adapt(known, tmp_path / "mine")
    assert made.metrics is not None
    assert made.before is not None
    assert made.metrics.uar > made.before.uar


def test_one_speaker_is_measured_by_recordings(clips: list[Clip], tmp_path: Path) -> None:
    own = [clip for clip in clips if clip.speaker == "anna"]
    made = adapt(own, tmp_path / "mine")
    assert made.metrics is not None
    assert "all examples are of one speaker: the figures leave out recordings" in made.notes[0]
    assert "fewer than 8 examples of angry (3)" in made.notes[1]
    nameless = [replace(clip, speaker="") for clip in own]
    notes = adapt(nameless, tmp_path / "mine").notes
    assert "9 of 9 examples name no speaker" in notes[0]


def test_one_example_a_label_gives_a_model_without_figures(
    clips: list[Clip], tmp_path: Path
) -> None:
    made = adapt(clips[::9], tmp_path / "mine")
    assert made.metrics is None
    assert any("no figures" in note for note in made.notes)
    assert affekt.load_model(made.folder, threads=1).predict(clips[0].file).label in LABELS


def test_examples_that_cannot_be_used_are_told(clips: list[Clip], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    bad = [Clip(tmp_path / name, "angry", "dora") for name in ("silent.wav", "torn.wav")]
    made = adapt([*bad, *clips], tmp_path / "mine")
    assert "silent" in made.errors[str(bad[0].file)]
    assert len(made.errors) == 2
    assert made.examples["angry"] == 9
    with pytest.raises(DataError, match="that can be used are of frustré: .*silent"):
        adapt([*bad, *(clip for clip in clips if clip.emotion == "frustré")], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_nothing_can_be_learned_from_is_refused(clips: list[Clip], tmp_path: Path) -> None:
    one, other = clips[0], clips[9]
    out = tmp_path / "mine"
    for wrong, message in (
        ([], "two labels or more are needed: there are none"),
        ([one], "all 1 are of 'angry'"),
        (clips[:9], "all 9 are of 'angry'"),
        ([one, other, replace(clips[1], emotion="Angry")], "'angry' and 'Angry' differ only in"),
        ([one, other, replace(one, emotion="sad")], "an example of both 'angry' and 'sad'"),
        ([one, replace(other, file=tmp_path / "no.wav")], "1 examples do not exist.*no.wav"),
    ):
        with pytest.raises(DataError, match=message):
            adapt(wrong, out)
    assert not out.exists()


def test_nothing_else_is_replaced(clips: list[Clip], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="something else than an adapted model"):
        adapt(clips, tmp_path)
    adapt(clips, tmp_path / "mine")
    model = affekt.load_model(tmp_path / "mine", threads=1)
    with pytest.raises(DataError, match="it is the model that is adapted"):
        model.adapt(clips, tmp_path / "mine")
    with pytest.raises(ModelError, match="no model directory"):
        affekt.load_model(tmp_path / "mine" / "model.onnx").adapt(clips, tmp_path / "new")


def test_an_interruption_leaves_what_was_there(clips: list[Clip], tmp_path: Path) -> None:
    out = tmp_path / "mine"
    adapt(clips, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        affekt.load_model("nano", threads=1).adapt(clips, out, advance=interrupt)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
