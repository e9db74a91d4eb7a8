"""How unlike its training data a recording is: numbers kept with the model, and what they say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

import affekt
from affekt.errors import ModelError
from affekt.runtime.config import parse_config
from affekt.runtime.domain import Domain, read_domain

pytest.importorskip("torch")

from affekt.export.check.domain import fit_domain, separation

RATE = 16000


def inside(count: int, seed: int) -> np.ndarray:
    """Embeddings near a plane in five dimensions."""
    rng = np.random.default_rng(seed)
    plane = np.array([[1, 2, 0, 0, 1], [0, 1, 1, 0, -1]])
    points = 5 + rng.normal(size=(count, 2)) @ plane + rng.normal(0, 0.05, (count, 5))
    return points.astype(np.float32)


@pytest.fixture(scope="module")
def domain() -> Domain:
    return fit_domain(
        [inside(300, 0), inside(50, 1)],
        {2.0: [inside(400, 2)], 1.0: [inside(400, 3) * 1.01, inside(100, 4)]},
        rank=2,
        false_alarms=0.05,
    )


def test_speech_is_inside_and_noise_is_not(domain: Domain) -> None:
    speech = domain.remainders(inside(500, 5))
    noise = domain.remainders(np.random.default_rng(6).normal(5, 1, (500, 5)).astype(np.float32))
    limit = dict(domain.limits)[2.0]
    assert (speech > limit).mean() == pytest.approx(0.05, abs=0.03)
    assert (noise > limit).mean() > 0.9
    assert separation(speech, noise) > 0.97


def test_the_limit_depends_on_the_length(domain: Domain) -> None:
    lengths = [seconds for seconds, _ in domain.limits]
    assert lengths == [1.0, 2.0]
    point = inside(1, 7)[0]
    assert domain.score(point, 0.9) is None  # too short to tell
    short, middle, long, longest = (domain.score(point, at) for at in (1, 2**0.5, 2, 60))
    assert short is not None
    assert middle is not None
    assert long is not None
    assert min(short, long) < middle < max(short, long)
    assert longest == long


def test_the_numbers_survive_the_config(domain: Domain) -> None:
    text = json.dumps(
        {"format_version": 1, "id2label": {"0": "a", "1": "b"}, "sample_rate": RATE}
        | {"embedding_size": 5, "domain": domain.to_config()}
    )
    read = read_domain(parse_config(text, "here"))
    assert read is not None
    point = inside(1, 8)[0]
    assert read.score(point, 2) == pytest.approx(domain.score(point, 2), abs=0.02)


def test_ties_count_half() -> None:
    assert separation(np.array([1.0, 2.0]), np.array([2.0, 3.0])) == pytest.approx(0.875)


def model_with(directory: Path, limit: float) -> affekt.Model:
    rng = np.random.default_rng(0)
    numbers = Domain(
        np.zeros(3, np.float32),
        np.ones(3, np.float32),
        np.linalg.qr(rng.normal(size=(3, 1)))[0].T.astype(np.float32),
        ((1.0, limit),),
    ).to_config()
    return affekt.load_model(write_tiny_model(directory, domain=numbers))


@pytest.mark.parametrize(("limit", "warned"), [(1e-6, True), (100.0, False)])
def test_a_prediction_tells(tmp_path: Path, limit: float, warned: bool) -> None:
    model = model_with(tmp_path / "model", limit)
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * RATE)
    samples[::4000] = 0.9
    answer = model.predict((samples.astype(np.float32), RATE))
    assert answer.ood_score is not None
    assert any(one.startswith("unlike the speech") for one in answer.warnings) == warned


def test_a_model_without_the_numbers_says_nothing(tiny_model: Path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * RATE).astype(np.float32)
    assert affekt.load_model(tiny_model).predict((samples, RATE)).ood_score is None


@pytest.mark.parametrize(
    "damage",
    [
        {"mean": "***"},
        {"limits": []},
        {"rank": 2},
        {"limits": [[2.0, 1.0], [1.0, 1.0]]},
        {"scale": ""},
        {"limits": None},
    ],
)
def test_damaged_numbers_are_refused(damage: dict[str, object], tmp_path: Path) -> None:
    model_with(tmp_path / "model", 1.0)
    path = tmp_path / "model" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "domain": {**config["domain"], **damage}}))
    with pytest.raises(ModelError, match="has damaged numbers under 'domain'"):
        affekt.load_model(tmp_path / "model")
