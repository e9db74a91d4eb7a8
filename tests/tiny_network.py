"""A real, small network whose answers differ by recording, for tests of models and exports."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")

from affekt.export.graph.onnx import Parity  # noqa: E402
from affekt.models import ARCHITECTURES, Network, NetworkConfig, build_network  # noqa: E402
from affekt.models.frontend import FrontendConfig  # noqa: E402

RATE = 16000  # Hz
LABELS = ("angry", "happy", "neutral", "sad")
TINY = {"stem": (4, 8), "channels": 8, "dilations": (1, 2)}
# Of each family that ssl knows, two layers; a frame has 320 samples, as in all that are published.
CONVOLUTIONAL = {
    **{"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"intermediate_size": 32, "vocab_size": 32, "num_conv_pos_embeddings": 8},
    **{"conv_dim": [8, 8], "conv_kernel": [20, 20], "conv_stride": [16, 20]},
    **{"num_feat_extract_layers": 2, "num_conv_pos_embedding_groups": 2},
}
TINY_ENCODERS: dict[str, dict[str, Any]] = {
    "wav2vec2": {"model_type": "wav2vec2", **CONVOLUTIONAL},
    "hubert": {
        **{"model_type": "hubert", "feat_extract_norm": "layer", "do_stable_layer_norm": True},
        **CONVOLUTIONAL,
    },
    "wavlm": {"model_type": "wavlm", **CONVOLUTIONAL},
    "whisper": {
        **{"model_type": "whisper", "d_model": 16, "encoder_layers": 2, "encoder_ffn_dim": 32},
        **{"encoder_attention_heads": 2, "num_mel_bins": 20, "max_source_positions": 100},
        **{"decoder_layers": 1, "decoder_ffn_dim": 16, "decoder_attention_heads": 2},
        **{"vocab_size": 32, "decoder_start_token_id": 1, "pad_token_id": 0},
        **{"bos_token_id": 1, "eos_token_id": 2},
    },
}
"""By family, configurations of encoders small enough for tests."""
TINY_OPTIONS: dict[str, dict[str, Any]] = {
    "cnn": TINY,
    "crnn": {"stem": (4, 8), "channels": 8, "hidden": 6, "cell": "lstm"},
    "crnn-attention": {"stem": (4, 8), "channels": 8, "hidden": 6, "heads": 3},
    "transformer": {"stem": (4, 8), "channels": 8, "blocks": 2, "heads": 2, "kernel": 5},
    "tcn": {"stem": (4, 8), "channels": 8, "levels": 3},
    "light": {"cepstra": 6, "view": 2, "blocks": (4, 4), "channels": 8},
    "ssl": {"encoder": TINY_ENCODERS["wav2vec2"], "train": "all", "slowdown": 1.0, "channels": 8},
    "statistics": {"encoder": TINY_ENCODERS["whisper"], "layers": (1, 2), "dimensions": 8},
}
"""By architecture, options of a network small enough for tests."""
# Written out, because defaults are tuned from time to time: frames of 25 ms every 10 ms.
FRONTEND = FrontendConfig(RATE, 512, 400, 160, n_mels=64, f_min=50.0, f_max=8000.0, floor=1e-3)
WAVEFORM = FrontendConfig(RATE, kind="waveform", hop_length=320)


class Exported(NamedTuple):
    """A tiny network, the model directory made from it, and how far the two differ."""

    network: Network
    folder: Path
    parity: Parity


def tiny_network(seed: int = 0, **changes: Any) -> Network:
    """Return a network as training would leave it, but untrained, in evaluation mode.

    Its norms have seen some voices, its weights at the end are large and its temperature is not
    that of a new network, so that a part left out of the way changes the answers.
    """
    torch.manual_seed(seed)
    hears = ARCHITECTURES[changes.get("architecture", "cnn")].make.waveform_rate
    frontend = FRONTEND if hears is None else WAVEFORM
    settings = {"labels": LABELS, "options": TINY, "frontend": frontend, **changes}
    network = build_network(NetworkConfig(**settings))
    with torch.no_grad():
        log_mel = network.frontend(torch.from_numpy(np.stack([voice(1, n) for n in range(8)])))
        network.feature_mean.fill_(log_mel.mean())
        network.feature_scale.fill_(log_mel.std())
        kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
        norms = [module for module in network.modules() if isinstance(module, kinds)]
        for norm in norms:
            norm.momentum = 1.0  # the statistics become those of the next batch
        network.train().classify(log_mel)
        for norm in norms:
            norm.momentum = 0.1
        network.head[-1].weight.mul_(2)
        network.temperature.fill_(1.3)
    return network.eval()


def voice(seconds: float, seed: int = 0, rate: int = RATE) -> NDArray[np.float32]:
    """Return harmonics of a gliding pitch in swelling loudness, with a little noise: [samples]."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    pitch_hz = rng.uniform(90, 250) * (1 + 0.2 * np.sin(2 * np.pi * rng.uniform(1, 4) * time))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / rate
    decay = rng.uniform(0.5, 1.5)
    tone = sum(np.sin(k * phase) / k**decay for k in range(1, 15))
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.5, 3) * time)
    return (0.1 * swell * tone + rng.normal(0, 0.003, len(time))).astype(np.float32)
