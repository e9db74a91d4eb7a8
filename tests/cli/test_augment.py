"""``affekt augment``: wav files and pictures of what a transform does."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

Run = Callable[..., subprocess.CompletedProcess[str]]


def rows(done: subprocess.CompletedProcess[str]) -> list[dict]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_one_transform(run: Run, recording: Path, tmp_path: Path) -> None:
    done = run(
        *("augment", recording, "--transform", "time_stretch", "--no-pictures", "-f", "json"),
        *("--set", "min_rate=1.25", "--set", "max_rate=1.25"),
    )
    before, after = rows(done)
    assert before == {"transform": "", "file": "augmented/good-before.wav", "seconds": 1.0}
    assert after == {
        **{"transform": "time_stretch", "file": "augmented/good-time_stretch.wav"},
        "seconds": 0.8,
    }
    samples, rate = soundfile.read(tmp_path / after["file"])
    assert (len(samples), rate) == (12800, 16000)


def test_the_seed_decides(run: Run, recording: Path, tmp_path: Path) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = ("augment", recording, "-t", "gain", "--no-pictures", "-o", folder, "--seed", seed)
        assert run(*words).returncode == 0
    # The samples, not the files: a wav file of floats holds the time when it was written.
    made = (soundfile.read(tmp_path / folder / "good-gain.wav")[0] for folder in "abc")
    first, again, other = (samples.tolist() for samples in made)
    assert first == again != other


def test_all_that_need_no_folder(run: Run, recording: Path) -> None:
    found = rows(run("augment", recording, "--no-pictures", "-f", "json"))
    names = [row["transform"] for row in found]
    assert {"", "pitch_shift", "codec", "dropouts"} < set(names)
    assert not {"background_noise", "room_impulse_response"} & set(names)


def test_pictures(run: Run, recording: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = rows(run("augment", recording, "-t", "clipping", "-f", "json"))
    picture = tmp_path / found[1]["picture"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "augmented").iterdir())) == 3


def test_a_folder_of_sounds(run: Run, recording: Path, tmp_path: Path) -> None:
    words = ("augment", recording, "-t", "background_noise", "--no-pictures")
    missing = run(*words)
    assert missing.returncode == 1
    assert missing.stderr == "error: missing key background_noise.folder\n"
    empty = run(*words, "--set", f"folder={tmp_path / 'nothing'}")
    assert empty.returncode == 1
    assert "no folder" in empty.stderr
    assert run(*words, "--set", f"folder={tmp_path}").returncode == 0


def test_the_list(run: Run) -> None:
    found = {row["transform"]: row for row in rows(run("augment", "--list", "-f", "json"))}
    assert len(found) == 14
    assert found["pitch_shift"]["options"] == ["min_semitones=-2", "max_semitones=2"]
    assert found["codec"]["options"][0] == "kinds=[phone,gsm,mp3,opus]"
    assert all(row["what"].endswith((".", "out.")) for row in found.values())


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ((), 2, "name a recording, or say --list"),
        (("good.wav", "-t", "echo", "--no-pictures"), 1, "unknown transform 'echo': expected one"),
        (("good.wav", "--set", "min_rate=1"), 2, "options belong to one --transform"),
        (("good.wav", "-t", "gain", "--set", "min_rate"), 2, "expected KEY=VALUE, got 'min_rate'"),
        (
            ("good.wav", "-t", "gain", "--set", "loud=1"),
            1,
            "unknown key gain.loud: expected one of",
        ),
        (("nothing.wav", "--no-pictures"), 1, "nothing.wav: no such file"),
    ],
)
def test_mistakes(
    words: tuple[str, ...], status: int, message: str, run: Run, recording: Path
) -> None:
    done = run("augment", *words)
    assert done.returncode == status
    assert message in done.stderr
