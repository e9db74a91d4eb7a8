from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("imblearn")
torch = pytest.importorskip("torch")

from affekt.errors import DataError  # noqa: E402
from affekt.models import NetworkConfig, build_network  # noqa: E402
from affekt.training.network.smote import oversample, refit_head  # noqa: E402

COUNTS = (40, 12, 3, 2)


def cloud(counts: tuple[int, ...] = COUNTS, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(len(counts)), counts)
    return rng.normal(size=(len(targets), 5)).astype(np.float32) + 4 * targets[:, None], targets


def test_classes_become_equal_and_what_was_given_comes_first() -> None:
    points, targets = cloud()
    more, labels = oversample(points, targets)
    assert np.bincount(labels).tolist() == [40, 40, 40, 40]
    assert np.array_equal(more[: len(points)], points)
    assert np.array_equal(labels[: len(points)], targets)


def test_new_points_lie_between_two_neighbours_of_their_class() -> None:
    points, targets = cloud()
    more, labels = oversample(points, targets, neighbours=3)
    for point, label in zip(more[len(points) :], labels[len(points) :], strict=True):
        own = points[targets == label].astype(np.float64)
        first, second = np.triu_indices(len(own), 1)
        along = own[second] - own[first]
        share = ((point - own[first]) * along).sum(axis=1) / (along**2).sum(axis=1)
        nearest = own[first] + np.clip(share, 0, 1)[:, None] * along
        distance = np.linalg.norm(point - nearest, axis=1)
        between = distance.argmin()
        assert distance[between] < 1e-4
        # The two are among the three nearest neighbours, seen from one of them.
        gaps = np.linalg.norm(own[:, None] - own[None], axis=2)
        rank = (gaps[first[between]] < gaps[first[between], second[between]]).sum()
        back = (gaps[second[between]] < gaps[first[between], second[between]]).sum()
        assert min(rank, back) <= 3


def test_the_seed_decides() -> None:
    points, targets = cloud()
    again = oversample(points, targets, seed=1)[0]
    assert np.array_equal(oversample(points, targets, seed=1)[0], again)
    assert not np.array_equal(oversample(points, targets, seed=2)[0], again)


def test_even_classes_stay_as_they_are() -> None:
    points, targets = cloud((7, 7))
    more, labels = oversample(points, targets)
    assert more is points
    assert labels is targets


def test_a_class_of_one_clip_is_refused() -> None:
    with pytest.raises(DataError, match="two or more clips of every class"):
        oversample(*cloud((9, 1)))


def trained_head() -> tuple:
    torch.manual_seed(0)
    options = {"stem": [4], "channels": 8, "dilations": [1]}
    network = build_network(NetworkConfig(("angry", "happy", "sad"), options=options)).eval()
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], [60, 30, 4])
    centres = rng.normal(size=(3, network.embedding_size))
    points = centres[targets] + 0.8 * rng.normal(size=(94, network.embedding_size))
    return network, points.astype(np.float32), targets, np.ones((94, 3), dtype=bool)


def recalls(network, points: np.ndarray, targets: np.ndarray) -> list[float]:
    with torch.inference_mode():
        predicted = network.head(torch.from_numpy(points)).argmax(dim=1).numpy()
    return [float((predicted[targets == label] == label).mean()) for label in range(3)]


def test_refitting_changes_the_last_layer_alone_and_hears_the_rare_class() -> None:
    network, points, targets, allowed = trained_head()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    refit_head(network, points, targets, allowed, l2=1e-3)
    changed = [n for n, v in network.state_dict().items() if not torch.equal(v, before[n])]
    assert sorted(changed) == ["head.2.bias", "head.2.weight"]
    assert min(recalls(network, points, targets)) > 0.9


def test_a_strong_pull_keeps_the_trained_layer() -> None:
    network, points, targets, allowed = trained_head()
    before = network.head[2].weight.clone()
    refit_head(network, points, targets, allowed, l2=1e4)
    assert torch.allclose(network.head[2].weight, before, atol=1e-3)


def test_corpora_that_know_other_classes_are_evened_out_by_themselves() -> None:
    network, points, targets, allowed = trained_head()
    foreign = (np.arange(94) % 2 == 0) & (targets < 2)
    allowed[foreign, 2] = False
    refit_head(network, points, targets, allowed, l2=1e-3)
    assert min(recalls(network, points, targets)) > 0.9
