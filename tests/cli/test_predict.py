"""``affekt predict`` as its users meet it: words in; table, files, errors and statuses out."""

from __future__ import annotations

import csv
import ctypes
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_model import tiny_config, write_tiny_model

Run = Callable[..., subprocess.CompletedProcess[str]]

RATE = 16000


def wav(path: Path, samples: np.ndarray, subtype: str = "PCM_16") -> Path:
    soundfile.write(path, samples, RATE, subtype=subtype)
    return path


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE))


def float_wav(path: Path, bad: float) -> Path:
    samples = noise(1)
    samples[500] = bad
    return wav(path, samples, "FLOAT")


def unknown_codec(path: Path) -> Path:
    """Write a wav whose header names a codec that nobody has."""
    content = b"\x01\x02" * 4000
    header = struct.pack("<HHIIHH", 0x7A21, 1, RATE, 2 * RATE, 2, 16)
    chunks = b"WAVEfmt " + struct.pack("<I", 16) + header
    chunks += b"data" + struct.pack("<I", len(content)) + content
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def head_of_wav(path: Path, size: int) -> Path:
    whole = wav(path, noise(1)).read_bytes()
    return written(path, whole[:size])


def made_folder(path: Path) -> Path:
    path.mkdir()
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda path: path, "no such file"),
    "folder": (made_folder, "is a folder: add --recursive, or name its files"),
    "empty": (lambda path: written(path, b""), "it is empty (0 bytes)"),
    "text": (lambda path: written(path, b"Dear diary, " * 99), "it is not audio that can be read"),
    "truncated": (lambda path: head_of_wav(path, 9000), "it is cut short"),
    "header only": (lambda path: head_of_wav(path, 44), "it is cut short"),
    "zero samples": (lambda path: wav(path, np.zeros(0)), "it holds no samples"),
    "one sample": (lambda path: wav(path, np.full(1, 0.5)), "it is too short"),
    "3 ms": (lambda path: wav(path, noise(0.003)), "it is too short: 0.003 s, the model needs"),
    "nan": (lambda path: float_wav(path, np.nan), "NaN or infinite"),
    "infinite": (lambda path: float_wav(path, -np.inf), "NaN or infinite"),
    "silent": (lambda path: wav(path, np.zeros(RATE)), "it is silent"),
    "unknown codec": (unknown_codec, ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_recordings(kind: str, run: Run, tiny_model: Path, tmp_path: Path) -> None:
    make, message = BAD[kind]
    path = make(tmp_path / "bad.wav")
    done = run("predict", path, "--model", tiny_model)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"error: {path}: ")
    assert message in done.stderr


def without_privileges() -> None:
    """Let even root be refused: drop the capabilities that pass over permissions."""
    prctl = ctypes.CDLL(None).prctl
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.mark.skipif(sys.platform != "linux", reason="drops capabilities, which Linux has")
def test_permission_denied(run: Run, recording: Path, tiny_model: Path) -> None:
    recording.chmod(0)
    done = run("predict", recording, "--model", tiny_model, preexec_fn=without_privileges)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {recording}: permission denied")


def test_table_of_one(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", recording.name, "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    head, line = done.stdout.splitlines()
    assert head.split() == ["file", "emotion", "confidence", "next"]
    assert line.startswith("good.wav  ")
    assert "\033" not in done.stdout  # no terminal, no colours


def test_json(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", recording, recording, "--model", tiny_model, "--format", "json")
    first, second = map(json.loads, done.stdout.splitlines())
    assert first == second
    assert first["file"] == str(recording)
    assert first["label"] == max(first["scores"], key=first["scores"].__getitem__)
    assert sum(first["scores"].values()) == pytest.approx(1, abs=1e-5)


def test_an_error_in_json_is_a_row_and_a_status(run: Run, tiny_model: Path) -> None:
    done = run("predict", "none.wav", "--model", tiny_model, "--format", "json")
    assert done.returncode == 1
    row = json.loads(done.stdout)
    assert row["file"] == "none.wav"
    assert done.stderr == f"error: {row['error']}\n"


def test_a_batch_with_bad_files(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    names = [f"clip{index:02}.wav" for index in range(50)]
    bad = {names[0]: "empty", names[7]: "text", names[8]: "nan", names[30]: "silent"}
    for index, name in enumerate(names[:-1]):
        if name in bad:
            BAD[bad[name]][0](tmp_path / name)
        else:
            wav(tmp_path / name, noise(0.3 + 0.01 * index, index))
    done = run("predict", *names, "--model", tiny_model, "--format", "csv")
    assert done.returncode == 1
    assert done.stderr == "error: 5 of 50 recordings failed\n"
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["file"] for row in rows] == names
    assert [row["file"] for row in rows if row["error"]] == [*bad, names[-1]]
    answered = [row for row in rows if row["label"]]
    assert len(answered) == 45
    assert all(0 < float(row["confidence"]) <= 1 for row in answered)


def test_a_table_with_a_bad_file(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", "none.wav", recording.name, "--model", tiny_model)
    assert done.returncode == 1
    _, bad, good = done.stdout.splitlines()
    assert bad.split()[:2] == ["none.wav", "error"]
    assert "no such file" in bad
    assert good.startswith("good.wav")


def test_a_folder_in_natural_order(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    (folder / "inner").mkdir(parents=True)
    for name in ("take10.wav", "take2.wav", "inner/take1.flac"):
        soundfile.write(folder / name, noise(0.5), RATE)
    written(folder / "notes.txt", b"not a recording")
    done = run("predict", "takes", "-r", "--model", tiny_model, "--format", "json")
    assert done.returncode == 0, done.stderr
    files = [json.loads(line)["file"] for line in done.stdout.splitlines()]
    assert files == ["takes/inner/take1.flac", "takes/take2.wav", "takes/take10.wav"]


def test_a_folder_without_recordings(run: Run, tiny_model: Path, tmp_path: Path) -> None:
    made_folder(tmp_path / "bare")
    done = run("predict", "bare", "--recursive", "--model", tiny_model)
    assert done.returncode == 1
    assert done.stderr == "error: bare: this folder holds no recordings; name one that does\n"


def test_a_pattern_the_shell_left_alone(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", "*.wav", "--model", tiny_model, "--format", "json")
    assert json.loads(done.stdout)["file"] == recording.name


def test_stdin(run: Run, recording: Path, tiny_model: Path) -> None:
    with recording.open("rb") as stream:
        done = run("predict", "-", "--model", tiny_model, "--format", "json", stdin=stream)
    assert json.loads(done.stdout)["duration"] == 1.0


def test_files_are_written_whole(run: Run, recording: Path, tiny_model: Path) -> None:
    out, report = recording.parent / "new" / "out.jsonl", recording.parent / "report.html"
    words = ["predict", recording, "--model", tiny_model, "--format", "json"]
    done = run(*words, "--out", out, "--report", report)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert json.loads(out.read_text())["file"] == str(recording)
    assert report.read_text().startswith("<!doctype html>")
    assert done.stderr == f"report: {report}\n"
    assert [path.name for path in out.parent.iterdir()] == ["out.jsonl"]


def test_a_place_that_cannot_be_written(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", recording, "--model", tiny_model, "--out", recording / "out.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_plot(run: Run, recording: Path, tiny_model: Path) -> None:
    pytest.importorskip("matplotlib")
    done = run("predict", recording, "--model", tiny_model, "--plot", "out.png")
    assert done.returncode == 0, done.stderr
    assert (recording.parent / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_plot_without_matplotlib(run: Run, recording: Path, tiny_model: Path) -> None:
    hidden = recording.parent / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys; sys.modules['matplotlib'] = None")
    words = ["predict", recording, "--model", tiny_model, "--plot", "out.png"]
    done = run(*words, env={"PYTHONPATH": str(hidden)})
    assert done.returncode == 1
    assert done.stdout == ""  # told before the work, not after it
    assert "pip install 'affekt[train]'" in done.stderr


MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "no config": (lambda path: (path / "config.json").unlink(), "it has no config.json"),
    "no graph": (lambda path: (path / "model.onnx").unlink(), "it has no model.onnx"),
    "bad json": (lambda path: (path / "config.json").write_text("{"), "is not JSON"),
    "cut graph": (lambda path: os.truncate(path / "model.onnx", 600), "it is damaged"),
    "lacks labels": (
        lambda path: (path / "config.json").write_text(json.dumps(tiny_config(id2label=None))),
        "lacks 'id2label'",
    ),
    "other labels": (
        lambda path: (path / "config.json").write_text(
            json.dumps(tiny_config(id2label={str(index): f"mood{index}" for index in range(6)}))
        ),
        "the two are of different models",
    ),
    "newer format": (
        lambda path: (path / "config.json").write_text(json.dumps(tiny_config(format_version=2))),
        "is of format version 2, this affekt reads up to 1",
    ),
}


@pytest.mark.parametrize("kind", MODELS)
def test_corrupt_models(kind: str, run: Run, recording: Path, tmp_path: Path) -> None:
    damage, message = MODELS[kind]
    model = write_tiny_model(tmp_path / "model")
    damage(model)
    done = run("predict", recording, "--model", model)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
    assert message in done.stderr


def test_a_model_that_is_not_there(run: Run, recording: Path) -> None:
    done = run("predict", recording, "--model", "./none")
    assert done.returncode == 1
    assert done.stderr == (
        "error: no model at none: expected a model directory or a hub id (org/name)\n"
    )


@pytest.mark.parametrize(
    "words", [["predict"], ["predict", "a.wav", "--format", "xml"], ["predict", "--loud", "a.wav"]]
)
def test_wrong_usage(words: list[str], run: Run) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "Usage: affekt predict" in done.stderr


def test_a_reader_that_leaves(recording: Path, tiny_model: Path) -> None:
    words = [
        "-m",
        "affekt",
        "predict",
        *[str(recording)] * 400,
        "-m",
        str(tiny_model),
        "-f",
        "json",
    ]
    with subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(300) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
def test_ctrl_c(recording: Path, tiny_model: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "endless.wav"
    os.mkfifo(fifo)  # opening it waits for a writer, who never comes
    words = ["-m", "affekt", "predict", str(recording), str(fifo), "-m", str(tiny_model)]
    with subprocess.Popen(
        [sys.executable, *words, "-f", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["file"] == str(recording)
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == "interrupted\n"
        assert process.wait(300) == 130


def test_a_terminal_without_block_characters(run: Run, recording: Path, tiny_model: Path) -> None:
    done = run("predict", recording.name, "-m", tiny_model, env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert "#" in done.stdout


def test_a_name_that_no_encoding_knows(run: Run, recording: Path, tiny_model: Path) -> None:
    odd = recording.parent / os.fsdecode(b"caf\xe9.wav")
    shutil.copy(recording, odd)
    for style in ("table", "json", "csv"):
        done = run("predict", odd, "-m", tiny_model, "--format", style, "--report", "r.html")
        assert done.returncode == 0, done.stderr
