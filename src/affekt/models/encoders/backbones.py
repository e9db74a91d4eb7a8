"""Large encoders of Hugging Face's ``transformers`` as modules: waveform to all hidden states."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from affekt.errors import ConfigError
from affekt.models.frontend.config import FrontendConfig
from affekt.models.frontend.log_mel import LogMel
from affekt.models.frontend.normalisation import TYPICAL_RMS

SAMPLE_RATE = 16000  # Hz, of all families
_MASKED = -1e4  # added to a score of attention; its exponential is 0


class Backbone(nn.Module):
    """Waveform to the hidden states of all layers.

    Attributes
    ----------
    width : int
        Channels of a hidden state.
    stride : int
        Samples from one frame to the next.
    """

    width: int
    stride: int

    @property
    def layers(self) -> nn.ModuleList:
        """From the lowest to the highest."""
        raise ConfigError(f"{type(self).__name__} does not define layers")

    def forward(self, waveform: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """Encode waveforms of a whole number of strides.

        Parameters
        ----------
        waveform : Tensor [batch, frames * stride]
            Of mean 0 and variance 1; 0 where it is padding.
        valid : Tensor [batch, frames], bool, optional
            False where it is padding.

        Returns
        -------
        list of Tensor [batch, frames, width]
            What goes into the lowest layer, and what comes out of each.
        """
        raise ConfigError(f"{type(self).__name__} does not define forward()")

    def tunable(self) -> list[nn.Module]:
        """What fine-tuning may change besides the layers: never the convolutions before them."""
        return []


class ConvolutionalBackbone(Backbone):
    """wav2vec 2.0, HuBERT and WavLM: convolutions over the waveform, then transformer layers.

    A frame covers ``reach`` samples from its own first one on; after the end there are zeros.
    """

    def __init__(self, model: Any, config: Any) -> None:
        super().__init__()
        self.width = config.hidden_size
        self.stride, self.reach = 1, 1
        for kernel, stride in zip(config.conv_kernel, config.conv_stride, strict=True):
            self.reach += (kernel - 1) * self.stride
            self.stride *= stride
        self.first = int(config.conv_kernel[0]), int(config.conv_stride[0])
        self.stem: Any = model.feature_extractor.conv_layers
        self.projection: Any = model.feature_projection
        self.encoder: Any = model.encoder
        # Weights that are a direction and a length cost a little at every step and export badly.
        parametrize.remove_parametrizations(self.encoder.pos_conv_embed.conv, "weight")
        self.norm_comes_first = bool(config.do_stable_layer_norm)

    @property
    def layers(self) -> nn.ModuleList:
        """From the lowest to the highest."""
        layers: nn.ModuleList = self.encoder.layers
        return layers

    def tunable(self) -> list[nn.Module]:
        """The projection and the positions; the norm where it lies before the layers."""
        parts = [self.projection, self.encoder.pos_conv_embed]
        return parts if self.norm_comes_first else [*parts, self.encoder.layer_norm]

    def forward(self, waveform: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """``[batch, frames * stride]`` to hidden states ``[batch, frames, width]``."""
        x = nn.functional.pad(waveform, (0, self.reach - self.stride))[:, None]
        for layer in self.stem:
            norm = getattr(layer, "layer_norm", None)
            if valid is not None and isinstance(norm, nn.GroupNorm):
                x = layer.activation(_norm_over_time(layer.conv(x), norm, self._samples(valid)))
            else:
                x = layer(x)
        projected = self.projection(x.transpose(1, 2))
        x = projected[0] if isinstance(projected, tuple) else projected
        states: list[Tensor] = []
        with _recorded(self.layers, states):
            self.encoder(x, attention_mask=valid)
        return states

    def _samples(self, valid: Tensor) -> Tensor:
        """What the first convolution gives for a recording, padding left out ``[batch]``."""
        kernel, stride = self.first
        heard = valid.sum(dim=1) * self.stride + self.reach - self.stride
        return (heard - kernel) // stride + 1


class WhisperBackbone(Backbone):
    """Whisper's encoder: its own log-mel, two convolutions, transformer layers.

    It takes a recording as it is, without filling it up to 30 s. There is a position for each of
    30 s; in what is longer they begin anew every 30 s, and no frame attends across that border.
    """

    def __init__(self, model: Any, config: Any) -> None:
        super().__init__()
        self.width = config.d_model
        self.log_mel = LogMel(
            FrontendConfig(
                SAMPLE_RATE,
                hop_length=160,
                n_mels=config.num_mel_bins,
                f_min=0.0,
                f_max=8000.0,
            )
        )
        self.stride = 2 * self.log_mel.config.hop_length  # the second convolution takes two frames
        self.conv1: Any = model.conv1
        self.conv2: Any = model.conv2
        self.positions: Any = model.embed_positions
        self.blocks: Any = model.layers
        self.dropout = nn.Dropout(config.dropout)

    @property
    def layers(self) -> nn.ModuleList:
        """From the lowest to the highest."""
        layers: nn.ModuleList = self.blocks
        return layers

    def forward(self, waveform: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """``[batch, frames * stride]`` to hidden states ``[batch, frames, width]``."""
        mel = self._features(waveform, valid)
        x = nn.functional.gelu(self.conv1(mel))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)
        known = self.positions.weight.shape[0]
        if valid is None:
            time = torch.arange(x.shape[1], device=x.device)[None]
        else:  # the first frame that counts has the first position
            time = (valid.to(torch.int64).cumsum(dim=1) - 1).clamp(min=0)
        x = self.dropout(x + self.positions(time % known))
        stretch = time // known  # [batch or 1, frames]
        near = (stretch[:, :, None] == stretch[:, None])[:, None]
        if valid is not None:
            near = near & valid[:, None, None]
        mask = torch.zeros_like(near, dtype=x.dtype).masked_fill(~near, _MASKED)
        states = [x]
        for layer in self.layers:
            x = layer(x, mask)
            states.append(x)
        return states

    def _features(self, waveform: Tensor, valid: Tensor | None) -> Tensor:
        """Whisper's log-mel ``[batch, mels, 2 * frames]``, at the level of common recordings."""
        reach = self.log_mel.config.window // 2
        x = (waveform * TYPICAL_RMS)[:, None]
        # Before the beginning is the beginning mirrored, as in Whisper's training; what
        # fills up two hops is in no frame that is kept.
        x = nn.functional.pad(x, (reach, 0), mode="reflect")[:, 0]
        x = nn.functional.pad(x, (self.stride - reach, 0))
        # Taken by their number, so that an export has the shape.
        count = 2 * (waveform.shape[1] // self.stride if valid is None else valid.shape[1])
        mel_power = self.log_mel.mel_power(x).narrow(2, 2, count)
        log_power = torch.log10(mel_power.clamp(min=1e-10))
        # Two frames of the log-mel to one of the encoder; a repetition would fix their number
        # in an exported graph.
        heard = None if valid is None else torch.stack([valid, valid], dim=2).flatten(1)[:, None]
        present = log_power if heard is None else log_power.where(heard, -10.0)
        loudest = present.amax(dim=(1, 2), keepdim=True)
        features = (torch.maximum(log_power, loudest - 8.0) + 4.0) / 4.0
        return features if heard is None else features.where(heard, 0.0)


def _norm_over_time(x: Tensor, norm: nn.GroupNorm, lengths: Tensor) -> Tensor:
    """Each channel of ``[batch, channels, time]`` normalised over its first ``lengths`` steps."""
    steps = torch.arange(x.shape[2], device=x.device)
    mask = (steps < lengths[:, None])[:, None]
    count = lengths.to(x.dtype)[:, None, None]
    x = x.where(mask, 0.0)
    centred = (x - x.sum(dim=2, keepdim=True) / count).where(mask, 0.0)
    variance = (centred * centred).sum(dim=2, keepdim=True) / count
    scaled = centred / (variance + norm.eps).sqrt()
    return scaled * norm.weight[:, None] + norm.bias[:, None]


@contextmanager
def _recorded(layers: nn.ModuleList, states: list[Tensor]) -> Iterator[None]:
    """Keep what goes into the first of the layers, and what comes out of each."""

    def before(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
        states.append(inputs[0])

    def after(layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        states.append(output[0] if isinstance(output, tuple) else output)

    hooks = [layers[0].register_forward_pre_hook(before)]
    hooks += [layer.register_forward_hook(after) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
