"""Networks that small devices could run instead of ours, rebuilt with random weights: for speed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affekt.models.frontend import FrontendConfig, LogMel

N_CLASSES = 6


class LightSernet(nn.Module):
    """LIGHT-SERNET (Aftab et al., 2022) on 40 cepstra: three views, then a plain stack; 0.46 M."""

    def __init__(self) -> None:
        super().__init__()
        self.frontend = LogMel(FrontendConfig(n_fft=1024, window=1024, hop_length=256))
        self.frontend.in_frames = True
        self.cosines = nn.Conv1d(64, 40, 1, bias=False)
        self.views = nn.ModuleList(
            nn.Sequential(_block(1, 32, kernel), nn.AvgPool2d(2))
            for kernel in ((11, 1), (1, 9), (3, 3))
        )
        self.body = nn.Sequential(
            *(_block(96, 64, (3, 3)), nn.AvgPool2d(2)),
            *(_block(64, 96, (3, 3)), nn.AvgPool2d(2)),
            *(_block(96, 128, (3, 3)), nn.AvgPool2d((2, 1))),
            *(_block(128, 160, (3, 3)), nn.AvgPool2d((2, 1))),
            _block(160, 320, (1, 1)),
        )
        self.classify = nn.Linear(320, N_CLASSES)

    def forward(self, waveform: Tensor) -> Tensor:
        """Waveform ``[batch, samples]`` to probabilities ``[batch, classes]``."""
        picture = self.cosines(self.frontend(waveform))[:, None]
        x = self.body(torch.cat([view(picture) for view in self.views], dim=1))
        return torch.softmax(self.classify(x.mean(dim=(2, 3))), dim=1)


def _block(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Module:
    padding = (kernel[0] // 2, kernel[1] // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


class Wav2Vec2Base(nn.Module):
    """wav2vec 2.0 base (Baevski et al., 2020) with a mean and a linear layer: 95 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for index, (kernel, stride) in enumerate([(10, 5)] + [(3, 2)] * 4 + [(2, 2)] * 2):
            layers.append(nn.Conv1d(512 if index else 1, 512, kernel, stride, bias=False))
            layers += [] if index else [nn.GroupNorm(512, 512)]
            layers.append(nn.GELU())
        self.convolutions = nn.Sequential(*layers)
        self.norm, self.project = nn.LayerNorm(512), nn.Linear(512, 768)
        self.position = nn.Conv1d(768, 768, 128, padding=64, groups=16)
        self.first_norm = nn.LayerNorm(768)
        self.layers = nn.Sequential(*(_Layer() for _ in range(12)))
        self.classify = nn.Linear(768, N_CLASSES)

    def forward(self, waveform: Tensor) -> Tensor:
        """Waveform ``[batch, samples]`` to probabilities ``[batch, classes]``."""
        x = self.project(self.norm(self.convolutions(waveform[:, None]).transpose(1, 2)))
        where = nn.functional.gelu(self.position(x.transpose(1, 2))[:, :, :-1])
        x = self.layers(self.first_norm(x + where.transpose(1, 2)))
        return torch.softmax(self.classify(x.mean(dim=1)), dim=1)


class _Layer(nn.Module):
    """Attention of 12 heads, then a wider layer, each added and normalised."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed, self.out = nn.Linear(768, 3 * 768), nn.Linear(768, 768)
        self.wide, self.narrow = nn.Linear(768, 3072), nn.Linear(3072, 768)
        self.norms = nn.ModuleList((nn.LayerNorm(768), nn.LayerNorm(768)))

    def forward(self, x: Tensor) -> Tensor:
        batch, frames, width = x.shape
        parts = self.mixed(x).reshape(batch, frames, 3, 12, width // 12).permute(2, 0, 3, 1, 4)
        heard = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = self.norms[0](x + self.out(heard.transpose(1, 2).reshape(batch, frames, width)))
        wide = nn.functional.gelu(self.wide(x))
        added: Tensor = self.norms[1](x + self.narrow(wide))
        return added
