"""What else could hear a voice, to be timed beside affekt's exports. Weights are random: for speed.

Each maker returns what runs one recording, and how many parameters that takes (None: not a
network alone).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

N_CLASSES = 6

Runner = Callable[[], Any]


def wav2vec2_runner(waveform: Any) -> tuple[Runner, int]:
    """wav2vec2-base in ONNX Runtime, one thread."""
    from affekt.runtime.session import open_session

    network = Wav2Vec2Base().eval()
    program = torch.onnx.export(network, (torch.from_numpy(waveform),), dynamo=True, verbose=False)
    assert program is not None
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "peer.onnx"
        program.save(os.fspath(path))
        session = open_session(path, threads=1)
    port = session.get_inputs()[0].name
    return partial(session.run, None, {port: waveform}), _count(network)


def tutorial_runner(waveform: Any) -> tuple[Runner, None]:
    """The usual tutorial: 180 averaged features of librosa, then a small 1-D CNN in torch."""
    import librosa
    import numpy as np

    samples = waveform[0]
    network = nn.Sequential(
        *(nn.Conv1d(1, 128, 5, padding=2), nn.ReLU(), nn.MaxPool1d(8)),
        *(nn.Conv1d(128, 128, 5, padding=2), nn.ReLU(), nn.Flatten(), nn.Linear(128 * 22, 6)),
    ).eval()

    def run() -> None:
        spectrum = np.abs(librosa.stft(samples))
        features = [
            librosa.feature.mfcc(y=samples, sr=16000, n_mfcc=40),
            librosa.feature.chroma_stft(S=spectrum, sr=16000),
            librosa.feature.melspectrogram(y=samples, sr=16000),
        ]
        vector = np.concatenate([feature.mean(axis=1) for feature in features])
        with torch.inference_mode():
            network(torch.from_numpy(vector.astype(np.float32))[None, None])

    return run, None


@cache
def _light() -> Any:
    from affekt.models import NetworkConfig, build_network
    from affekt.models.frontend import FrontendConfig

    labels = tuple(f"emotion {index}" for index in range(N_CLASSES))
    frontend = FrontendConfig(n_fft=1024, window=1024, hop_length=256)
    return build_network(NetworkConfig(labels, "light", frontend=frontend)).eval()


def light_onnx_runner(waveform: Any) -> tuple[Runner, int]:
    """LIGHT-SERNET in ONNX Runtime, one thread."""
    from affekt.export.graph.onnx import export_onnx
    from affekt.runtime.session import open_session

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "light.onnx"
        export_onnx(_light(), path, {})
        session = open_session(path, 1)
    return partial(session.run, None, {"waveform": waveform}), _count(_light())


def light_litert_runner(waveform: Any) -> tuple[Runner, int]:
    """LIGHT-SERNET in LiteRT, one thread."""
    from ai_edge_litert.interpreter import Interpreter

    from affekt.export.targets import litert

    model = litert.convert(_light(), waveform.shape[1])
    interpreter = Interpreter(model_content=model, num_threads=1)
    interpreter.allocate_tensors()
    port = interpreter.get_input_details()[0]["index"]

    def run() -> None:
        interpreter.set_tensor(port, waveform)
        interpreter.invoke()

    return run, _count(_light())


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


PEERS: dict[str, Callable[[Any], tuple[Runner, int | None]]] = {
    "wav2vec2-base, ONNX Runtime": wav2vec2_runner,
    "librosa features and a small CNN": tutorial_runner,
    "LIGHT-SERNET, not trained, ONNX Runtime": light_onnx_runner,
    "LIGHT-SERNET, not trained, LiteRT": light_litert_runner,
}


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
