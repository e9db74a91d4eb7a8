"""Face units: tables of two tools and of means, and the model of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affekt.errors import DataError
from affekt.fusion import FaceModel, fit_face, read_face

RATE = 25.0


def openface(path: Path, *, frames: int = 50, rate: float = RATE, lost: int = 0) -> Path:
    """Write a table as OpenFace does: blanks after the commas; the first frames without a face."""
    lines = ["frame, face_id, timestamp, confidence, success, AU06_r, AU12_r, AU12_c"]
    for number in range(1, frames + 1):
        found = int(number > lost)
        smile = 2.0 * found
        lines.append(
            f"{number}, 0, {(number - 1) / rate:.3f}, 0.98, {found}, {number / 10:.2f}, "
            f"{smile:.2f}, {found:.2f}"
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pyfeat(path: Path, cells: list[tuple[int, str]]) -> Path:
    """Write a table as py-feat does; each row is a frame and its face units and emotions."""
    emotions = "anger,disgust,fear,happiness,sadness,surprise,neutral"
    lines = [f"FaceRectX,FaceScore,AU01,AU12,{emotions},input,frame"]
    lines += [f"1.0,0.99,{rest},talk.mp4,{frame}" for frame, rest in cells]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_openface_is_read_over_the_frames_with_a_face(tmp_path: Path) -> None:
    table = read_face(openface(tmp_path / "a.csv", lost=10))
    assert table.units == pytest.approx({"AU06_r": np.arange(1.1, 5.01, 0.1).mean(), **SMILE})
    assert (table.frames, table.rate) == (50, pytest.approx(RATE))
    assert table.emotions == {}


SMILE = {"AU12_r": 2.0, "AU12_c": 1.0}


def test_pyfeat_is_read_with_its_emotions(tmp_path: Path) -> None:
    smile = "0.2,0.9,0.05,0.05,0.0,0.8,0.0,0.05,0.05"
    empty = "," * 8
    table = read_face(pyfeat(tmp_path / "a.csv", [(0, smile), (5, smile), (10, empty)]))
    assert table.units == pytest.approx({"AU01": 0.2, "AU12": 0.9})
    assert table.emotions["happy"] == pytest.approx(0.8)
    assert sum(table.emotions.values()) == pytest.approx(1)
    assert (table.frames, table.rate) == (11, None)


def test_a_table_of_means_is_read_by_the_name_of_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "means.csv"
    path.write_text("clip,AU12_r\ntalk,1.5\n01-01-05-01-01-01-12,0.5\n", encoding="utf-8")
    assert read_face(path, "folder/talk.mp4").units == {"AU12_r": 1.5}
    # RAVDESS names the sound 03 and the picture 01.
    assert read_face(path, "03-01-05-01-01-01-12.wav").units == {"AU12_r": 0.5}
    assert read_face(path, "talk.wav").frames == 0
    with pytest.raises(DataError, match="has no rows for other.wav"):
        read_face(path, "other.wav")


def test_a_folder_has_a_table_for_each_recording(tmp_path: Path) -> None:
    openface(tmp_path / "talk.csv")
    openface(tmp_path / "other.csv", frames=5)
    assert read_face(tmp_path, "there/talk.mp4").frames == 50
    with pytest.raises(DataError, match="holds no tables for third.mp4"):
        read_face(tmp_path, "third.mp4")


def test_the_table_of_another_recording_is_refused(tmp_path: Path) -> None:
    table = read_face(openface(tmp_path / "a.csv"))  # 2 s
    table.check("talk.mp4", 2.02)
    table.check("talk.mp4", 2.02, RATE)
    with pytest.raises(DataError, match=r"it is 2\.0 s long, talk\.mp4 5\.0 s"):
        table.check("talk.mp4", 5.0)
    with pytest.raises(DataError, match=r"it has 25 frames per second, talk\.mp4 has 30"):
        table.check("talk.mp4", 2.0, 30.0)


def test_without_times_the_video_tells_the_rate(tmp_path: Path) -> None:
    neutral = "0.2,0.1,0,0,0,0,0,0,1"
    table = read_face(pyfeat(tmp_path / "a.csv", [(0, neutral), (49, neutral)]))
    table.check("talk.mp4", 2.0, RATE)
    table.check("talk.wav", 60.0)  # nothing tells its rate
    with pytest.raises(DataError, match=r"it is 2\.0 s long, talk\.mp4 4\.0 s"):
        table.check("talk.mp4", 4.0, RATE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("frame,AU12_r\n", "no rows"),
        ("frame,pose\n1,2\n", "no face units"),
        ("frame,AU12_r\n1\n", "row 2: 1 cells, the header has 2"),
        ("frame,AU12_r\n1,x\n", "'x' in the column AU12_r is no number"),
        ("frame,AU12_r\n,1\n", "the column frame has a gap"),
        ("frame,AU12_r\n1,1\n1,2\n", "frame 1 has several faces"),
        ("frame,success,AU12_r\n1,0,1\n", "no frame of it shows a face"),
        ("frame,timestamp,AU12_r\n1,1,1\n2,0,1\n", "timestamps do not grow"),
        ("AU12_r\n1\n2\n", "neither frames .* nor recordings"),
    ],
)
def test_what_is_no_table_of_a_face_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_face(path, "talk.wav")


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: cannot be read"):
        read_face(tmp_path / "none.csv")


def examples() -> tuple[np.ndarray, list[str], list[str]]:
    """Recordings of six people who show three emotions in two of four units."""
    generator = np.random.default_rng(0)
    emotions = ["angry", "happy", "sad"] * 60
    speakers = [f"s{index // 30}" for index in range(180)]
    means = generator.normal(0, 0.3, (180, 4))
    means[:, 0] += [{"happy": 2.0}.get(one, 0.0) for one in emotions]
    means[:, 1] += [{"angry": 2.0}.get(one, 0.0) for one in emotions]
    return means, emotions, speakers


def test_a_face_model_learns_and_comes_back_from_its_file(tmp_path: Path) -> None:
    means, emotions, speakers = examples()
    units = ["AU12_r", "AU04_r", "AU01_r", "AU45_r"]
    model, held_out = fit_face(means, units, emotions, speakers)
    assert model.labels == ("angry", "happy", "sad")
    assert model.metrics == {"uar": pytest.approx(1, abs=0.05), "clips": 180, "speakers": 6}
    assert held_out.sum(axis=1) == pytest.approx(np.ones(180))
    true = held_out[np.arange(180), [model.labels.index(one) for one in emotions]]
    assert true.mean() > 0.9
    model.save(tmp_path / "face.json")
    again = FaceModel.load(tmp_path / "face.json")
    assert again.logits(means) == pytest.approx(model.logits(means))
    path = tmp_path / "a.csv"
    path.write_text("AU01_r,AU04_r,AU12_r,AU45_r,AU02_r\n0,0,2,0,9\n", encoding="utf-8")
    answer = again.predict(read_face(path))
    assert max(answer, key=lambda label: answer[label]) == "happy"
    path.write_text("AU12,AU04_r\n0,0\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks the columns AU12_r, AU01_r, AU45_r"):
        again.predict(read_face(path))


def test_a_face_model_needs_two_speakers_of_each_emotion() -> None:
    means, emotions, speakers = examples()
    with pytest.raises(DataError, match="two emotions and two speakers or more, got 3 and 1"):
        fit_face(means, ["a", "b", "c", "d"], emotions, ["one"] * 180)
    alone = ["bored" if who == "s0" else what for who, what in zip(speakers, emotions, strict=True)]
    with pytest.raises(DataError, match="each emotion needs examples of two speakers"):
        fit_face(means, ["a", "b", "c", "d"], alone, speakers)


@pytest.mark.parametrize("text", ["{}", "[]", "no", '{"format_version": 1, "head": 3}'])
def test_a_damaged_face_model_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "face.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=r"face\.json"):
        FaceModel.load(path)
