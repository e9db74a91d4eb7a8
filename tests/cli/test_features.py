"""``affekt features`` as its users meet it: tables, bad files, kills and resumed runs."""

from __future__ import annotations

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from patience import PATIENCE
from stopping import interrupt, start_halted

pytest.importorskip("swift_f0")

Run = Callable[..., subprocess.CompletedProcess[str]]

RATE = 16000
FAST = ("--sets", "mfcc,energy")


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * RATE))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "takes"
    path.mkdir()
    for index in range(5):
        soundfile.write(path / f"take{index}.wav", noise(0.5 + 0.1 * index, index), RATE)
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_table_to_look_at(run: Run, recordings: list[Path]) -> None:
    done = run("features", recordings[0])
    assert done.returncode == 0, done.stderr
    head, line = done.stdout.splitlines()
    assert head.split()[:3] == ["file", "duration", "pitch_hz_mean"]
    assert line.startswith(str(recordings[0]))
    assert done.stderr == "9 of 620 columns; all of them with --format csv or --out\n"


def test_all_columns_as_csv(run: Run, recordings: list[Path]) -> None:
    from affekt.features import column_names

    done = run("features", *recordings[:2], "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done.stdout)
    assert list(rows[0]) == ["file", "duration", *column_names(), "error"]
    assert [row["file"] for row in rows] == [str(file) for file in recordings[:2]]
    assert all(60 < float(row["pitch_hz_mean"]) < 400 for row in rows)


def test_json_has_what_python_has(run: Run, recording: Path) -> None:
    from affekt.audio import load_audio
    from affekt.features import extract

    done = run("features", recording, "-f", "json", "-s", "mfcc, pitch")
    row = json.loads(done.stdout)
    assert row.pop("file") == str(recording)
    table = extract(load_audio(recording), RATE, ["mfcc", "pitch"])
    expected = {name: None if np.isnan(one[0]) else one[0] for name, one in table}
    assert row.keys() == expected.keys()
    assert row["pitch_hz_mean"] is None
    assert row["mfcc_3_p90"] == pytest.approx(expected["mfcc_3_p90"], abs=1e-4)


def test_frames(run: Run, recording: Path) -> None:
    words = ["--per", "frame", "--sets", "energy,mel", "--n-mels", "64", "--hop-length", "320"]
    done = run("features", recording, *words, "--format", "csv")
    rows = rows_of(done.stdout)
    assert len(rows) == 51
    assert [row["time"] for row in rows[:3]] == ["0", "0.02", "0.04"]
    assert len(rows[0]) == 3 + 64 + 2


def test_parquet_holds_what_csv_does(run: Run, folder: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    bad = folder / "bad.wav"
    bad.write_bytes(b"Dear diary")
    for out in ("t.csv", "t.parquet"):
        done = run("features", "takes", "-r", "--out", out, "--sets", "pitch,energy")
        assert done.returncode == 1
    columns: dict[str, list[Any]] = parquet.read_table(folder.parent / "t.parquet").to_pydict()
    rows = rows_of((folder.parent / "t.csv").read_text())
    assert list(columns) == list(rows[0])
    assert columns["file"] == [row["file"] for row in rows]
    for name in ("rms_db_mean", "pitch_hz_mean"):
        expected = [float(row[name]) if row[name] else None for row in rows]
        assert columns[name] == pytest.approx(expected)
    assert columns["pitch_hz_mean"] == [None] * 6
    assert [bool(error) for error in columns["error"]] == [True] + [False] * 5


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("out", [None, "table.csv"])
def test_bad_files_are_rows_with_errors(jobs: str, out: str | None, run: Run, folder: Path) -> None:
    (folder / "take2.wav").write_bytes(b"")
    words = ["takes", "none.wav", "-r", "--jobs", jobs, *FAST]
    done = run("features", *words, *(["--out", out] if out else ["--format", "csv"]))
    assert done.returncode == 1
    assert done.stderr.endswith("error: 2 of 6 recordings could not be measured\n")
    rows = rows_of((folder.parent / out).read_text() if out else done.stdout)
    names = [*(f"takes/take{index}.wav" for index in range(5)), "none.wav"]
    assert [row["file"] for row in rows] == names
    assert rows[2]["error"].startswith("takes/take2.wav: it is empty (0 bytes)")
    assert rows[5]["error"] == "none.wav: no such file; check the path"
    assert {row["mfcc_0_mean"] for row in (rows[2], rows[5])} == {""}
    assert all(row["mfcc_0_mean"] and not row["error"] for row in rows if row not in rows[2::3])


def test_an_error_in_the_table_and_in_json(run: Run, recording: Path) -> None:
    done = run("features", "none.wav", recording, *FAST)
    assert done.returncode == 1
    assert "no such file" in done.stdout
    done = run("features", "none.wav", *FAST, "-f", "json")
    assert json.loads(done.stdout) == {
        "file": "none.wav",
        "error": "none.wav: no such file; check the path",
    }


def test_hard_recordings_are_no_errors(run: Run, tmp_path: Path) -> None:
    hard = {
        "silence": np.zeros(RATE),
        "constant": np.full(RATE, 0.3),
        "one sample": np.full(1, 0.5),
        "short": noise(0.01),
        "unvoiced": noise(0.5),
    }
    for name, samples in hard.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    done = run("features", *(f"{name}.wav" for name in hard), "--format", "csv")
    assert done.returncode == 0, done.stderr
    for row in rows_of(done.stdout):
        assert row["error"] == row["pitch_hz_mean"] == row["jitter_local"] == ""
        assert row["voiced_share"] == "0"
        assert row["mfcc_0_mean"]


def test_two_processes_say_what_one_does(run: Run, folder: Path) -> None:
    words = ["features", "takes", "-r", *FAST, "--format", "csv", "--jobs"]
    one, two = rows_of(run(*words, "1").stdout), rows_of(run(*words, "2").stdout)
    for first, second in zip(one, two, strict=True):
        assert first["file"] == second["file"]
        assert float(first["mfcc_1_p50"]) == pytest.approx(float(second["mfcc_1_p50"]), abs=1e-4)


def children_of(pid: int) -> list[int]:
    """Return the processes that a process has started (Linux)."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def records_in(journal: Path) -> int:
    """Return how many files are told of in whole; a run that is killed may leave a half record."""
    from affekt.batch.journal import records

    if not journal.exists():
        return 0
    with io.FileIO(journal) as file:
        return max(0, sum(1 for _ in records(file)) - 1)  # the first tells of the job


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


@pytest.fixture
def many(tmp_path: Path) -> Path:
    path = tmp_path / "many"
    path.mkdir()
    source = path / "0.wav"
    soundfile.write(source, np.sin(0.05 * np.arange(2 * RATE)) * 0.3, RATE)
    for index in range(1, 40):
        shutil.copy(source, path / f"{index}.wav")
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="looks at processes through /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on(how: signal.Signals, run: Run, many: Path) -> None:
    words = ["features", "many", "-r", "--sets", "pitch,voice", "--jobs", "2", "--out"]
    process = start_halted(
        "affekt.batch.journal:Journal.add",
        "calls == 4",
        *(*words, "table.csv"),
        cwd=many.parent,
        stderr=subprocess.PIPE,
    )
    journal, table = many.parent / ".table.csv.unfinished", many.parent / "table.csv"
    workers = children_of(process.pid)
    interrupt(process, how)
    errors = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == (130 if how is signal.SIGINT else -9), errors
    assert not table.exists()
    wait_until(lambda: not any(map(is_alive, workers)))
    done_before = records_in(journal)
    assert 4 <= done_before < 40

    resumed = run(*words, "table.csv")
    assert resumed.returncode == 0, resumed.stderr
    assert f"{done_before} of 40 recordings are done already" in resumed.stderr
    rows = rows_of(table.read_text())
    assert [row["file"] for row in rows] == [f"many/{index}.wav" for index in range(40)]
    assert len({tuple(row.values())[1:] for row in rows}) == 1
    assert not journal.exists()


def test_a_run_with_other_options_does_not_go_on(run: Run, folder: Path) -> None:
    from affekt.batch.journal import Journal
    from affekt.features.batch import FeatureJob, feature_work

    out = folder.parent / "table.csv"
    Journal(out, feature_work(FeatureJob(("mel",)), ["duration"]).depends).close(finished=False)
    done = run("features", "takes", "-r", *FAST, "--out", "table.csv")
    assert done.returncode == 1
    assert "an unfinished run with other options has left .table.csv.unfinished" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_opensmile_says_its_licence(run: Run, recording: Path) -> None:
    pytest.importorskip("opensmile")
    done = run("features", recording, "--sets", "egemaps", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert "commercial use needs a licence" in done.stderr
    (row,) = rows_of(done.stdout)
    assert len(row) == 3 + 88


@pytest.mark.parametrize(
    ("package", "words", "advice"),
    [
        ("swift_f0", ["--sets", "pitch"], "pip install 'affekt[features]'"),
        ("opensmile", ["--sets", "egemaps"], "pip install 'affekt[opensmile]'"),
        ("pyarrow", ["--sets", "energy", "--out", "t.parquet"], "pip install 'affekt[features]'"),
        ("librosa", ["--sets", "pitch", "--pitch", "pyin"], "pip install librosa"),
    ],
)
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_is_not_installed(
    package: str, words: list[str], advice: str, jobs: str, run: Run, folder: Path
) -> None:
    hidden = folder.parent / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(f"import sys; sys.modules[{package!r}] = None")
    done = run("features", "takes", "-r", "-j", jobs, *words, env={"PYTHONPATH": str(hidden)})
    assert done.returncode == 1
    assert done.stdout == ""
    assert advice in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--sets", "mfc"], 1, "there is no set 'mfc'"),
        (["--sets", "rhythm", "--per", "frame"], 1, "tells of whole clips"),
        (["--n-mfcc", "41"], 1, "n_mfcc cannot be 41"),
        (["--format", "parquet"], 2, "Parquet goes to a file"),
        (["--out", "table.xls"], 2, "give it a name that ends in"),
        (["--pitch", "ear"], 2, "Invalid value for '--pitch'"),
        (["--jobs", "-1"], 2, "Invalid value for '--jobs'"),
    ],
)
def test_wrong_usage(
    words: list[str], status: int, message: str, run: Run, recording: Path
) -> None:
    done = run("features", recording, *words, env={"COLUMNS": "200"})
    assert done.returncode == status
    assert done.stdout == ""
    assert message in done.stderr


def test_the_same_file_twice_is_one_row(run: Run, recording: Path) -> None:
    done = run("features", recording, recording, *FAST, "--format", "csv")
    assert len(rows_of(done.stdout)) == 1
