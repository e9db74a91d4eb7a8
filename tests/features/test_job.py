"""Many files: every one answered once, the same on one core and on two."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from affekt.batch import processes
from affekt.errors import MissingExtraError
from affekt.features import extract
from affekt.features.batch import FeatureJob, measure_file, measure_files

JOB = FeatureJob(("mfcc", "energy"))


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{index}.wav" for index in range(6)]
    for index, path in enumerate(paths):
        soundfile.write(path, rng.normal(0, 0.1, 3000 + 1000 * index), 16000)
    return [str(path) for path in paths]


def test_one_file(files: list[str]) -> None:
    samples, rate = soundfile.read(files[0], dtype="float32")
    expected = extract(samples, rate, JOB.sets).values
    np.testing.assert_array_equal(measure_file(files[0], JOB).values, expected)


def test_two_processes_measure_what_one_does(files: list[str], tmp_path: Path) -> None:
    bad = str(tmp_path / "none.wav")
    before = dict(os.environ)
    single = {one.file: one for one in measure_files([*files, bad], JOB, jobs=1)}
    double = [*measure_files([*files, bad], JOB, jobs=2)]
    assert sorted(one.file for one in double) == sorted([*files, bad])
    for one in double:
        np.testing.assert_allclose(one.values, single[one.file].values, atol=1e-4)
        assert one.error == single[one.file].error
    assert single[bad].error == f"{bad}: no such file; check the path"
    assert dict(os.environ) == before


def test_few_files_start_no_process(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_processes", None)
    assert len([*measure_files(files, JOB)]) == len(files)


def test_what_is_missing_is_said_before_any_process_starts(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from affekt.features import pitch

    pitch._swift_detector.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "swift_f0", None)
    monkeypatch.setattr(processes, "_processes", None)
    with pytest.raises(MissingExtraError, match="affekt\\[features\\]"):
        next(measure_files(files, FeatureJob(("pitch",)), jobs=2))
