"""Several processes train one network: the real ``torchrun``, two processes on the CPU."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import PATIENCE
from tone_corpus import make_tones, read_history, write_recipe

torch = pytest.importorskip("torch")

from affekt import load_model  # noqa: E402
from affekt.errors import ConfigError  # noqa: E402
from affekt.training.network.processes import ProcessGroup, choose_device  # noqa: E402


def torchrun(*words: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", "-m", "affekt", *map(str, words)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tones(tmp_path_factory.mktemp("recordings"))


@pytest.mark.slow
def test_two_processes_train_one_model_and_go_on_after_ctrl_c(
    recordings: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(tmp_path / "tones.toml", epochs=40, training="checkpoint_seconds = 0.0")
    words = ("train", recipe, "--source", recordings, "--out", tmp_path / "run")
    with torchrun(*words) as process:
        deadline = time.monotonic() + PATIENCE
        while not (tmp_path / "run" / "history.csv").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert not (tmp_path / "run" / "model").exists()
    before = read_history(tmp_path / "run")

    with torchrun(*words) as process:
        table, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert table.count("own") == 1  # one of them speaks
    assert "continuing at step" in errors
    rows = read_history(tmp_path / "run")
    assert [row["epoch"] for row in rows] == [str(epoch) for epoch in range(1, 41)]
    assert rows[: len(before)] == before
    assert (
        float(rows[-1]["validation_uar"]) > 0.9
    )  # tones are easy: two half batches learn them too
    model = load_model(tmp_path / "run" / "model")
    heard = model.predict(sorted((recordings / "sad").rglob("*.wav"))[0])
    assert heard.label == "sad"


def test_a_benchmark_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from affekt.evaluation import get_protocol
    from affekt.training import Recipe
    from affekt.training.benchmark.benchmark import run_benchmark

    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="a benchmark runs in one process"):
        run_benchmark(get_protocol("emodb-loso"), Recipe(), tmp_path)


def test_alone_nothing_is_shared() -> None:
    group = ProcessGroup(torch.device("cpu"))
    assert (group.rank, group.size, group.first) == (0, 1, True)
    assert group.any(True)
    assert not group.any(False)
    assert group.from_first((1.5, 2.0)) == (1.5, 2.0)


def test_the_device_is_the_one_that_was_named() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    auto = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == auto


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("gpu", "unknown device 'gpu': auto, cpu, cuda, cuda:1 or mps"),
        ("cuda:99", r"no GPU 99 for torch .*: use --device cpu"),
        ("meta", "affekt does not train on 'meta'"),
    ],
)
def test_another_device_is_never_taken(wanted: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        choose_device(wanted)
