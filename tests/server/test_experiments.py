"""A second model beside the first, feedback, and models that are loaded again."""

from __future__ import annotations

import json
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import affekt
from live_server import noise, wav_bytes
from patience import PATIENCE

pytest.importorskip("onnx")

from tiny_model import write_tiny_model

WAV = wav_bytes(noise(0.5))


def ask(client: httpx.Client, **fields: str) -> httpx.Response:
    answer = client.post(
        "/v1/audio/emotions", files={"file": ("a.wav", WAV, "audio/wav")}, data=fields
    )
    assert answer.status_code == 200, answer.text
    return answer


def counted(client: httpx.Client, start: str) -> dict[str, float]:
    """Return the metrics whose line starts so: what follows, to the value."""
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(start)]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


def wait_for(client: httpx.Client, start: str, count: float) -> dict[str, float]:
    """Wait until metrics add up to a count."""
    deadline = time.monotonic() + PATIENCE
    while sum((found := counted(client, start)).values()) < count:
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    return found


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two models whose labels stand in another order, so that their answers differ."""
    place = tmp_path_factory.mktemp("models")
    turned = {
        str(at): name
        for at, name in enumerate(("sad", "neutral", "happy", "fearful", "disgust", "angry"))
    }
    return {
        "a": write_tiny_model(place / "a", name="a"),
        "b": write_tiny_model(place / "b", name="b", id2label=turned),
    }


@pytest.fixture(scope="module")
def options(folders: dict[str, Path]) -> list[str]:
    return [word for name, path in folders.items() for word in ("--model", f"{name}={path}")]


@pytest.fixture(scope="module")
def shadowed(start: Callable[..., Any], options: list[str]) -> Any:
    with (
        start(*options, "--shadow", "b") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE) as client,
    ):
        yield client


def test_a_shadow_answers_too_and_only_its_agreement_is_counted(shadowed: httpx.Client) -> None:
    answer = ask(shadowed)
    assert answer.json()["model"] == "a"
    found = wait_for(shadowed, "affekt_shadow_total", 1)
    assert found == {'affekt_shadow_total{model="a",outcome="other",shadow="b"}': 1.0}
    label = answer.json()["label"]
    assert (
        counted(shadowed, "affekt_answers_total")[
            f'affekt_answers_total{{label="{label}",model="a"}}'
        ]
        >= 1
    )
    assert counted(shadowed, "affekt_confidence_count")['affekt_confidence_count{model="a"}'] >= 1


def test_feedback_is_counted_once_and_paired_with_the_shadow(shadowed: httpx.Client) -> None:
    before = sum(counted(shadowed, "affekt_shadow_total").values())
    answer = ask(shadowed)
    told = {"id": answer.headers["x-request-id"], "label": answer.json()["label"]}
    done = shadowed.post("/v1/feedback", json=told)
    assert (done.status_code, done.json()) == (200, {"id": told["id"], "counted": True})
    wait_for(shadowed, "affekt_shadow_total", before + 1)
    pair = 'affekt_feedback_pairs_total{first="a",right="first",second="b"}'
    assert wait_for(shadowed, "affekt_feedback_pairs_total", 1) == {pair: 1.0}
    assert counted(shadowed, "affekt_feedback_total") == {
        'affekt_feedback_total{model="a",outcome="right"}': 1.0
    }
    again = shadowed.post("/v1/feedback", json=told)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "feedback_given")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid_value"),
        (b"[]", 400, "invalid_value"),
        (b'{"id": 3, "label": "sad"}', 400, "invalid_value"),
        (b'{"id": "", "label": ""}', 400, "invalid_value"),
        (b"[" * 100_000, 400, "invalid_value"),
        (b'{"id": "unknown", "label": "sad"}', 404, "answer_not_found"),
    ],
)
def test_wrong_feedback_is_refused(
    shadowed: httpx.Client, body: bytes, status: int, code: str
) -> None:
    answer = shadowed.post("/v1/feedback", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_label_that_the_model_lacks_is_refused_and_may_be_corrected(
    shadowed: httpx.Client,
) -> None:
    identity = ask(shadowed).headers["x-request-id"]
    wrong = shadowed.post("/v1/feedback", json={"id": identity, "label": "calm"})
    assert wrong.status_code == 400
    assert "label must be one of angry" in wrong.json()["error"]["message"]
    assert shadowed.post("/v1/feedback", json={"id": identity, "label": "sad"}).status_code == 200


def test_a_split_is_kept_by_each_user(
    start: Callable[..., Any],
    options: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        start(*options, "--split", "a=50,b=50") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE) as client,
    ):
        answers = {user: ask(client, user=user) for user in map(str, range(24))}
        models = {user: answer.json()["model"] for user, answer in answers.items()}
        # Of 24 users at even shares, all are with one model once in 8 million cases.
        assert set(models.values()) == {"a", "b"}
        for user in ("0", "1", "2"):
            assert ask(client, user=user).json()["model"] == models[user]
        alone = {ask(client).json()["model"] for _ in range(4)}
        assert len(alone) == 1  # without a user, the address is one
        assert ask(client, model="b", user="0").json()["model"] == "b"
        for answer in answers.values():
            told = {"id": answer.headers["x-request-id"], "label": answer.json()["label"]}
            assert client.post("/v1/feedback", json=told).status_code == 200
        pairs = counted(client, "affekt_feedback_pairs_total")
        fewest = min(list(models.values()).count(name) for name in "ab")
        assert sum(pairs.values()) == fewest
        monkeypatch.chdir(tmp_path)
        live = affekt(capsys, "compare", "--live", server.url, "--json")
        assert live.status == 0, live.errors
        (row,) = json.loads(live.out)["pairs"]
        assert (row["first"], row["second"], row["both_right"]) == ("a", "b", fewest)
        assert row["verdict"] == "no difference yet"


def test_models_are_loaded_again_without_a_lost_request(
    start: Callable[..., Any], folders: dict[str, Path], tmp_path: Path
) -> None:
    place = tmp_path / "served"
    shutil.copytree(folders["a"], place)
    with (
        start("--model", f"mine={place}") as server,
        httpx.Client(base_url=server.url, timeout=PATIENCE) as client,
    ):
        stop = threading.Event()
        statuses: list[int] = []

        def hammer() -> None:
            with httpx.Client(base_url=server.url, timeout=PATIENCE) as own:
                while not stop.is_set():
                    answer = own.post("/v1/audio/emotions", files={"file": ("a.wav", WAV)})
                    statuses.append(answer.status_code)

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            first = ask(client).json()["label"]
            shutil.copytree(folders["b"], place, dirs_exist_ok=True)
            server.process.send_signal(signal.SIGHUP)
            server.event("reloaded", models="mine")
            last = ask(client).json()["label"]
            (place / "model.onnx").write_bytes(b"damaged")
            server.process.send_signal(signal.SIGHUP)
            server.event("reload failed")
            assert ask(client).json()["label"] == last
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert set(statuses) == {200}
        assert first != last


@pytest.mark.parametrize("words", [("--split", "a=1,c=1"), ("--shadow", "c"), ("--split", "a")])
def test_impossible_experiments_do_not_start(
    words: tuple[str, str], options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    affekt(capsys, "serve", *options, "--port", "0", *words).is_one_line("--split")


def test_the_dashboard_asks_for_metrics_that_exist(
    shadowed: httpx.Client, repository: Path
) -> None:
    board = json.loads((repository / "deploy" / "grafana.json").read_text(encoding="utf-8"))
    text = json.dumps([panel["targets"] for panel in board["panels"]])
    known = set(re.findall(r"^# TYPE (affekt_\w+) ", shadowed.get("/metrics").text, re.MULTILINE))
    asked = {re.sub("_(bucket|count)$", "", name) for name in re.findall(r"affekt_\w+", text)}
    assert len(asked) > 8
    assert asked <= known
