"""The network chunk by chunk: the same frames as on the whole recording, with its past as state.

Every layer that looks around runs over what it remembers and what is new. A layer that looks ahead
answers later, by as many steps as it looks: what it says of a moment does not change, only when.
Beside the samples runs a mask that is 1 within the recording and 0 before its first frame and
after its last. It is applied after every layer, as :meth:`Encoder.forward` does with padding, so
that both ends are as in the whole recording.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from affekt.errors import ConfigError
from affekt.models.layers.memory import Memory, MemoryCounter
from affekt.models.network import Network, answer_of


class StreamingNetwork(nn.Module):
    """One step of a streamable network: new samples and a state to frame embeddings.

    Parameters
    ----------
    network : Network
        Shares its weights.

    Attributes
    ----------
    step : int
        Samples that one frame embedding advances.
    delay : int
        Steps by which frames come later than the middle of what they are about: the look-ahead.
    state_size : int
        Numbers in the state of one stream.

    Raises
    ------
    ConfigError
        If the network cannot stream.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        if not network.streamable:
            raise ConfigError(
                "this network cannot stream: it needs the frontend log-mel with the normalisation "
                "local or global, and an encoder that can"
            )
        network.eval()
        self.frontend, self.encoder = network.frontend, network.encoder
        self.pooling = network.pooling
        self.register_buffer("feature_mean", network.feature_mean)
        self.register_buffer("feature_scale", network.feature_scale)
        self.feature_mean: Tensor
        self.feature_scale: Tensor
        self.stride = self.encoder.time_stride
        self.step = network.config.frontend.hop_length * self.stride
        # The encoder's strides count from the first frame: frames must come in whole strides.
        self.wait = -self.frontend.delay % self.stride
        self.delay = (self.frontend.delay + self.wait) // self.stride + self.encoder.delay
        counter = MemoryCounter()
        with torch.no_grad():
            self._frames(torch.zeros(1, 1, self.step), torch.zeros(1, 1, self.stride), counter)
        self.state_size = counter.size

    def forward(self, samples: Tensor, valid: Tensor, state: Tensor) -> tuple[Tensor, ...]:
        """Take more samples of several recordings.

        Parameters
        ----------
        samples : Tensor [batch, steps, step]
            What follows the samples of the call before; zeros after the end.
        valid : Tensor [batch, steps, stride]
            For each frame of the frontend, which begins at a multiple of ``hop_length``: 1 where
            that is within the recording or at its very end, 0 beyond.
        state : Tensor [batch, state_size]
            What the call before gave; zeros at the beginning.

        Returns
        -------
        frames : Tensor [batch, steps, channels]
            Frame embeddings; the first one of a recording comes after ``delay`` steps.
        mask : Tensor [batch, steps]
            How much the frame counts where its span is pooled: 1 or, with attention, its weight.
            0 where there is no frame, before the first and after the last.
        next_state : Tensor [batch, state_size]
        """
        memory = Memory(state)
        frames, mask = self._frames(samples, valid, memory)
        return frames, mask, memory.next_state()

    def _frames(self, samples: Tensor, valid: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        spectrum, mask = self.frontend.step(samples.flatten(1), valid.flatten(1)[:, None], memory)
        features = (spectrum - self.feature_mean) / self.feature_scale
        features, mask = memory.delay(features, self.wait), memory.delay(mask, self.wait)
        frames, mask = self.encoder.step(features, mask, memory)
        weights = self.pooling.weights(frames)
        mask = mask if weights is None else mask * weights
        return frames.transpose(1, 2), mask[:, 0]


class PooledHead(nn.Module):
    """From a pooled embedding ``[batch, dim]`` to the outputs of the heads: :meth:`Network.answer`.

    Attributes
    ----------
    outputs : tuple of str
        Names of what comes out.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        network.eval()
        self.head, self.others = network.head, nn.ModuleDict(network.scalar_heads)
        self.outputs = ("probabilities", *network.config.heads)
        self.register_buffer("temperature", network.temperature)
        self.temperature: Tensor

    def forward(self, embedding: Tensor) -> dict[str, Tensor]:
        """``[batch, embedding] -> [batch, classes]``, and ``[batch]`` for each other head."""
        return answer_of(
            self.head(embedding), dict(self.others.items()), self.temperature, embedding
        )
