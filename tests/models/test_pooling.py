from __future__ import annotations

import numpy as np
import torch

from affekt.models.pooling import StatisticsPooling


def test_it_is_mean_and_deviation_over_time() -> None:
    frames = np.random.default_rng(0).normal(3, 2, (4, 5, 50)).astype(np.float32)
    pooled = StatisticsPooling()(torch.from_numpy(frames)).numpy()
    expected = np.concatenate([frames.mean(axis=2), frames.std(axis=2)], axis=1)
    assert pooled.shape == (4, StatisticsPooling.output_size(5))
    np.testing.assert_allclose(pooled, expected, atol=1e-4)


def test_padding_does_not_count() -> None:
    frames = np.random.default_rng(0).normal(3, 2, (3, 5, 50))
    lengths = [50, 7, 1]
    mask = np.zeros((3, 1, 50))
    for row, length in enumerate(lengths):
        mask[row, :, :length] = 1
    pooled = StatisticsPooling()(torch.from_numpy(frames), torch.from_numpy(mask)).numpy()
    for row, length in enumerate(lengths):
        alone = StatisticsPooling()(torch.from_numpy(frames[row : row + 1, :, :length])).numpy()
        np.testing.assert_allclose(pooled[row], alone[0], rtol=1e-12)


def test_a_constant_channel_has_a_finite_slope() -> None:
    frames = torch.ones(2, 3, 8, requires_grad=True)
    StatisticsPooling()(frames).sum().backward()
    assert frames.grad is not None
    assert torch.isfinite(frames.grad).all()


def test_a_single_frame_has_almost_no_deviation() -> None:
    pooled = StatisticsPooling()(torch.full((1, 2, 1), 4.0))
    np.testing.assert_allclose(pooled, [[4, 4, 0, 0]], atol=4e-3)
