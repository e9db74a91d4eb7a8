from __future__ import annotations

import numpy as np
import torch

from affekt.models.layers.heads import EmotionHead


def trained_head() -> EmotionHead:
    torch.manual_seed(0)
    head = EmotionHead(6, 3, dropout=0.5)
    norm = head[0]
    norm.running_mean.normal_()
    norm.running_var.uniform_(0.5, 2)
    return head


def test_in_use_it_is_one_affine_map() -> None:
    head = trained_head().eval()
    norm, linear = head[0], head[2]
    embedding = torch.randn(5, 6)
    scaled = (embedding - norm.running_mean) / (norm.running_var + norm.eps).sqrt()
    expected = scaled @ linear.weight.T + linear.bias
    with torch.no_grad():
        np.testing.assert_allclose(head(embedding), expected.detach(), atol=1e-5)
        # Each row by itself, in use: no answer depends on its neighbours.
        np.testing.assert_allclose(head(embedding)[1:2], head(embedding[1:2]), atol=1e-6)


def test_while_training_it_drops_out() -> None:
    head = trained_head().train()
    embedding = torch.randn(5, 6)
    assert (head(embedding) != head(embedding)).any()
