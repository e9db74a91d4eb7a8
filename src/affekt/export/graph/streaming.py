"""The network chunk by chunk as ONNX files: ``encoder.onnx`` and ``head.onnx``, proved beside it.

``encoder.onnx`` maps new samples, their mask and a state to frame embeddings and the next state;
``head.onnx`` maps a pooled embedding to calibrated probabilities, and to the numbers of the other
heads. Pooling over a span of frames lies between them, outside the graphs, so that many windows
share one run of the encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from affekt.errors import ModelError
from affekt.export.graph.onnx import (
    PARITY_DURATIONS,
    PARITY_TOLERANCE,
    Port,
    export_module,
    voice_like,
)
from affekt.export.graph.quantize import to_float16
from affekt.files import atomic_path
from affekt.models import Network
from affekt.models.streaming import PooledHead, StreamingNetwork
from affekt.runtime.bundle import ENCODER_FILE, HEAD_FILE
from affekt.runtime.encoder import FrameEncoder, pool


def streaming_facts(network: Network) -> dict[str, Any]:
    """The entry of ``config.json`` for ``encoder.onnx``.

    ``step`` is in samples, ``stride`` in frames of the frontend per step, ``delay`` in steps, and
    ``state_size`` in numbers.
    """
    streaming = StreamingNetwork(network)
    return {
        "step": streaming.step,
        "stride": streaming.stride,
        "delay": streaming.delay,
        "state_size": streaming.state_size,
    }


HALF_TOLERANCE = 0.05
"""How far a streamed probability may be from the network's where weights are float16."""


def export_streaming(
    network: Network,
    folder: Path,
    config: Mapping[str, Any],
    *,
    half: bool = False,
) -> float:
    """Write ``encoder.onnx`` and ``head.onnx``.

    Parameters
    ----------
    network : Network
        A streamable one.
    folder : Path
        Its files are replaced when both new ones are proved.
    config : Mapping
        The model's ``config.json`` with ``streaming``.
    half : bool
        Store the weights as float16.

    Returns
    -------
    float
        The largest difference of a probability, streamed in random chunks and by the network.

    Raises
    ------
    ModelError
        If the two differ by more than 1e-4, or 0.05 with float16.
    """
    frontend = network.config.frontend
    streaming = StreamingNetwork(network)
    batch, steps = torch.export.Dim("batch"), torch.export.Dim("steps")
    inputs = [
        Port("samples", torch.zeros(2, 5, streaming.step), {0: batch, 1: steps}),
        Port("valid", torch.ones(2, 5, streaming.stride), {0: batch, 1: steps}),
        Port("state", torch.zeros(2, streaming.state_size), {0: batch}),
    ]
    outputs = ("frames", "mask", "next_state")
    pooled = [Port("embedding", torch.zeros(2, network.embedding_size), {0: batch})]
    with atomic_path(folder / ENCODER_FILE) as encoder, atomic_path(folder / HEAD_FILE) as head:
        export_module(streaming, inputs, outputs, encoder, config, frontend)
        answers = PooledHead(network)
        export_module(answers, pooled, answers.outputs, head, config, frontend)
        if half:
            for path in (encoder, head):
                to_float16(path, path)
        tolerance = HALF_TOLERANCE if half else PARITY_TOLERANCE
        return check_streaming(network, encoder, head, config, tolerance=tolerance)


def check_streaming(
    network: Network,
    encoder: Path,
    head: Path,
    config: Mapping[str, Any],
    *,
    durations: Sequence[float] = PARITY_DURATIONS,
    tolerance: float = PARITY_TOLERANCE,
    seed: int = 0,
) -> float:
    """Stream recordings of all lengths in random chunks; compare with the network on the whole.

    Returns
    -------
    float
        The largest difference of a probability, or of another output.

    Raises
    ------
    ModelError
        If it is more than ``tolerance``.
    """
    files = FrameEncoder(encoder, head, config["streaming"], threads=1)
    rng = np.random.default_rng(seed)
    sample_rate = network.config.frontend.sample_rate
    worst = 0.0
    for duration in durations:
        waveform = voice_like((1, round(duration * sample_rate)), sample_rate, rng)
        with torch.inference_mode():
            expected = network.eval()(torch.from_numpy(waveform))
        found = files.classify(pool(*_streamed(files, waveform[0], rng))[None])
        for name, values in found.items():
            difference = float(np.abs(values - expected[name].numpy()).max())
            worst = max(worst, difference if np.isfinite(difference) else np.inf)
    if not worst <= tolerance:
        raise ModelError(
            f"the streamed network differs from the whole one by {worst:.2g} "
            f"where {tolerance:g} is allowed: it must not be used"
        )
    return worst


def _streamed(
    files: FrameEncoder, waveform: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Frame embeddings ``[frames, channels]`` and weights ``[frames]`` from random chunks."""
    run = files.start()
    parts = []
    while len(waveform) > 0:
        size = int(rng.integers(1, 20)) * files.step
        parts.append(run.push(waveform[:size]))
        waveform = waveform[size:]
    frames, weights = zip(*parts, run.finish(), strict=True)
    return np.concatenate(frames), np.concatenate(weights)
