from __future__ import annotations

import numpy as np
import pytest
import torch

from affekt.models.layers.pooling import POOLINGS, AttentivePooling, StatisticsPooling


def test_it_is_mean_and_deviation_over_time() -> None:
    frames = np.random.default_rng(0).normal(3, 2, (4, 5, 50)).astype(np.float32)
    pooled = StatisticsPooling(5)(torch.from_numpy(frames)).numpy()
    expected = np.concatenate([frames.mean(axis=2), frames.std(axis=2)], axis=1)
    assert pooled.shape == (4, StatisticsPooling(5).output_size)
    np.testing.assert_allclose(pooled, expected, atol=1e-4)


@pytest.mark.parametrize("name", POOLINGS)
@torch.inference_mode()
def test_padding_does_not_count(name: str) -> None:
    torch.manual_seed(0)
    pooling = POOLINGS[name](5).double()
    frames = np.random.default_rng(0).normal(3, 2, (3, 5, 50))
    lengths = [50, 7, 1]
    mask = np.zeros((3, 1, 50))
    for row, length in enumerate(lengths):
        mask[row, :, :length] = 1
    pooled = pooling(torch.from_numpy(frames), torch.from_numpy(mask)).numpy()
    for row, length in enumerate(lengths):
        alone = pooling(torch.from_numpy(frames[row : row + 1, :, :length])).numpy()
        np.testing.assert_allclose(pooled[row], alone[0], rtol=1e-12)


def test_a_constant_channel_has_a_finite_slope() -> None:
    frames = torch.ones(2, 3, 8, requires_grad=True)
    StatisticsPooling(5)(frames).sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


def test_a_single_frame_has_almost_no_deviation() -> None:
    pooled = StatisticsPooling(5)(torch.full((1, 2, 1), 4.0))
    np.testing.assert_allclose(pooled, [[4, 4, 0, 0]], atol=4e-3)


@torch.inference_mode()
def test_attention_counts_frames_by_their_weight() -> None:
    torch.manual_seed(0)
    pooling = AttentivePooling(3)
    frames = torch.randn(2, 3, 40)
    pooling.score.weight.mul_(20)
    weights = pooling.weights(frames)
    assert weights.shape == (2, 1, 40)
    assert weights.amax(dim=2).div(weights.amin(dim=2)).min() > 2
    mean = np.average(frames[0].numpy(), axis=1, weights=weights[0, 0].numpy())
    np.testing.assert_allclose(pooling(frames)[0, :3], mean, atol=1e-5)
    pooling.score.weight.zero_()
    torch.testing.assert_close(pooling(frames), StatisticsPooling(3)(frames), atol=1e-5, rtol=0)


@torch.inference_mode()
def test_a_weight_is_bounded() -> None:
    pooling = AttentivePooling(3)
    pooling.score.weight.mul_(1e4)
    weights = pooling.weights(torch.randn(2, 3, 40))
    assert np.exp(-6.001) < weights.min() < weights.max() < np.exp(6.001)
