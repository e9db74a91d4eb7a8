"""The encoder of a streamable model: samples in, frame embeddings out, its past as explicit state.

``encoder.onnx`` holds no state. An :class:`EncoderStream` carries that of one stream; any number of
them share one :class:`FrameEncoder`, also between threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import ModelError
from affekt.runtime.devices import CPU
from affekt.runtime.session import Floats, known_outputs, open_session, run_session

VARIANCE_FLOOR = 1e-5
"""Added to the variance before its root, as the network does."""


class FrameEncoder:
    """The two graphs of a streamable model.

    Parameters
    ----------
    encoder, head : Path
        ``encoder.onnx`` and ``head.onnx``.
    metadata : Mapping
        ``streaming`` of the model's configuration: ``step`` (samples), ``stride`` (frames of the
        frontend in a step), ``delay`` (steps) and ``state_size``.
    threads : int
        Threads within an operator.
    device : str
        See :mod:`affekt.runtime.devices`.

    Raises
    ------
    ModelError
        If a graph is damaged, or not what the configuration says.
    """

    def __init__(
        self,
        encoder: Path,
        head: Path,
        metadata: Mapping[str, Any],
        threads: int,
        device: str = CPU,
    ) -> None:
        try:
            self.step, self.stride = int(metadata["step"]), int(metadata["stride"])
            self.delay, self.state_size = int(metadata["delay"]), int(metadata["state_size"])
        except (KeyError, TypeError, ValueError):
            raise ModelError(
                f"{encoder.parent}: its config.json does not say how {encoder.name} streams: "
                f"export the model again"
            ) from None
        self._encoder_path, self._head_path = encoder, head
        self._encoder = open_session(encoder, threads, device)
        self._head = open_session(head, threads, device)
        names = [port.name for port in self._head.get_outputs()]
        if "probabilities" not in names:
            raise ModelError(f"{head} answers with {', '.join(names)}: export it again")
        self._outputs = ("probabilities", *known_outputs(names))
        self.channels = int(self._encoder.get_outputs()[0].shape[-1])
        shapes = {port.name: port.shape[-1] for port in self._encoder.get_inputs()}
        expected = {"samples": self.step, "valid": self.stride, "state": self.state_size}
        if shapes != expected:
            raise ModelError(
                f"{encoder} takes {shapes}, its config.json says {expected}: "
                f"the two are of different models"
            )

    def start(self) -> EncoderStream:
        """Begin a stream."""
        return EncoderStream(self)

    def encode(self, samples: Floats, valid: Floats, state: Floats) -> tuple[Floats, ...]:
        """Run ``encoder.onnx``: see :class:`affekt.models.streaming.StreamingNetwork`."""
        inputs = {"samples": samples, "valid": valid, "state": state}
        outputs = ("frames", "mask", "next_state")
        return tuple(run_session(self._encoder, outputs, inputs, self._encoder_path).values())

    def classify(self, embeddings: Floats) -> dict[str, Floats]:
        """Return the outputs of the head for pooled embeddings [windows, dim], by name.

        ``probabilities`` [windows, classes], and [windows] for each of `affekt.results.OUTPUTS`
        that the model says.
        """
        inputs = {"embedding": embeddings.astype(np.float32, copy=False)}
        found = run_session(self._head, self._outputs, inputs, self._head_path)
        if not np.isfinite(found["probabilities"]).all():
            raise ModelError(f"{self._head_path} answers with no probabilities: export it again")
        return found


class EncoderStream:
    """One stream through the encoder.

    Parameters
    ----------
    encoder : FrameEncoder
    """

    def __init__(self, encoder: FrameEncoder) -> None:
        self._encoder = encoder
        self._state = np.zeros((1, encoder.state_size), dtype=np.float32)
        self._samples = 0
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, samples: Floats) -> tuple[Floats, Floats]:
        """Hear more samples [samples].

        Returns
        -------
        frames : np.ndarray [shape=(frames, channels)]
            Those that became known.
        weights : np.ndarray [shape=(frames,)]
            How much each counts where its span is pooled, above 0.
        """
        self._samples += len(samples)
        rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        whole = len(rest) // self._encoder.step * self._encoder.step
        self._rest = rest[whole:]
        return self._step(rest[:whole], self._samples - len(rest))

    def finish(self) -> tuple[Floats, Floats]:
        """Return the last frames and their weights when no more samples come."""
        encoder = self._encoder
        # What is left, then the end itself, then as many steps as the encoder looks ahead.
        steps = len(self._rest) // encoder.step + 1 + encoder.delay
        silence = np.zeros(steps * encoder.step, dtype=np.float32)
        start = self._samples - len(self._rest)
        silence[: len(self._rest)] = self._rest
        self._rest = self._rest[:0]
        return self._step(silence, start)

    def copy(self) -> EncoderStream:
        """Return a run that goes on from here by itself."""
        twin = EncoderStream(self._encoder)
        twin._state, twin._samples, twin._rest = self._state, self._samples, self._rest
        return twin

    def _step(self, samples: Floats, start: int) -> tuple[Floats, Floats]:
        """Encode whole steps that begin at a sample; keep the frames of the recording alone."""
        encoder = self._encoder
        steps = len(samples) // encoder.step
        if steps == 0:
            return np.zeros((0, encoder.channels), np.float32), np.zeros(0, np.float32)
        hop = encoder.step // encoder.stride
        valid = np.ones((1, steps, encoder.stride), dtype=np.float32)
        within = (self._samples - start) // hop + 1  # frames that begin within the recording
        valid.reshape(-1)[within:] = 0.0
        frames, mask, self._state = encoder.encode(
            samples.reshape(1, steps, encoder.step), valid, self._state
        )
        if mask.min() > 0:
            return frames[0], mask[0]
        known = mask[0] > 0
        return frames[0][known], mask[0][known]


class RunningPool:
    """Mean and standard deviation of frames that come block by block, weighted: see :func:`pool`.

    Parameters
    ----------
    channels : int
        Of a frame.
    """

    def __init__(self, channels: int) -> None:
        self._weight = 0.0
        self._sums = np.zeros((2, channels))  # of the frames, and of their squares

    def add(self, frames: Floats, weights: Floats) -> None:
        """Add frames [frames, channels] and their weights [frames]."""
        wide = frames.astype(np.float64)
        self._weight += float(weights.sum(dtype=np.float64))
        self._sums += weights @ wide, weights @ wide**2

    def pooled(self) -> Floats:
        """Return mean and standard deviation [dim] of all frames by now."""
        mean, square = self._sums / self._weight
        variance = np.maximum(square - mean**2, 0)
        pooled = np.concatenate([mean, np.sqrt(variance + VARIANCE_FLOOR)])
        return np.asarray(pooled, dtype=np.float32)


def pool(frames: Floats, weights: Floats) -> Floats:
    """Mean and standard deviation [dim] of frames [frames, channels], weighted [frames]."""
    mean = np.average(frames.astype(np.float64), axis=0, weights=weights)
    variance = np.average((frames - mean) ** 2, axis=0, weights=weights)
    pooled = np.concatenate([mean, np.sqrt(variance + VARIANCE_FLOOR)])
    return np.asarray(pooled, dtype=np.float32)
