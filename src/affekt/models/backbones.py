"""Encoders of Hugging Face's ``transformers``, as the architecture ``ssl`` uses them.

A checkpoint is a configuration and weights. The weights are read once, when a network is new; from
then on the configuration is among the network's options, and the weights are with its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils import parametrize

from affekt.errors import ConfigError, MissingExtraError
from affekt.models.frontend.config import FrontendConfig
from affekt.models.frontend.log_mel import LogMel
from affekt.models.frontend.normalisation import TYPICAL_RMS

SAMPLE_RATE = 16000  # Hz, of all families
FAMILIES = ("hubert", "wav2vec2", "wavlm", "whisper")
"""What a checkpoint may be, by the ``model_type`` of its ``config.json``."""
LARGEST_BYTES = 2**31 - 2**24  # what one ONNX file holds, less some room for all but weights

_UNUSED = {"masked_spec_embed"}  # weights of the pre-training, which some checkpoints lack
# What a configuration says of its file and of other tasks, none of which belongs into a model.
_LEFT_OUT = (
    *("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"),
    *("id2label", "label2id"),
)
_HUB_NAME_PARTS = 2  # owner/name
_MASKED = -1e4  # added to a score of attention; its exponential is 0


class Backbone(nn.Module):
    """Waveform to the hidden states of all layers.

    Attributes
    ----------
    width : int
        Channels of a hidden state.
    stride : int
        Samples from one frame to the next.
    layers : nn.ModuleList
        From the lowest to the highest.
    """

    width: int
    stride: int
    layers: nn.ModuleList

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

    A frame begins with its own samples and hears ``reach`` of them; after the end there are zeros.
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
        self.layers = self.encoder.layers
        self.norm_comes_first = bool(config.do_stable_layer_norm)

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

    It hears a recording as it is, without filling it up to 30 s. A position is known for each of
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
        self.layers: Any = model.layers
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, waveform: Tensor, valid: Tensor | None = None) -> list[Tensor]:
        """``[batch, frames * stride]`` to hidden states ``[batch, frames, width]``."""
        mel = self._features(waveform, valid)
        x = nn.functional.gelu(self.conv1(mel))
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)
        frames, known = x.shape[1], self.positions.weight.shape[0]
        time = torch.arange(frames, device=x.device)
        x = self.dropout(x + self.positions(time % known))
        stretch = time // known
        near = (stretch[:, None] == stretch)[None, None]
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
        # Before the beginning it hears the beginning mirrored, as in Whisper's training; what
        # fills up two hops is in no frame that is kept.
        x = nn.functional.pad(x, (reach, 0), mode="reflect")[:, 0]
        x = nn.functional.pad(x, (self.stride - reach, 0))
        log_power = torch.log10(self.log_mel.mel_power(x)[..., 2:-1].clamp(min=1e-10))
        heard = None if valid is None else valid.repeat_interleave(2, dim=1)[:, None]
        present = log_power if heard is None else log_power.where(heard, -10.0)
        loudest = present.amax(dim=(1, 2), keepdim=True)
        features = (torch.maximum(log_power, loudest - 8.0) + 4.0) / 4.0
        return features if heard is None else features.where(heard, 0.0)


def read_checkpoint(checkpoint: str, layers: int = 0) -> tuple[dict[str, Any], Backbone]:
    """Read a checkpoint with its weights.

    Parameters
    ----------
    checkpoint : str
        Name on the Hugging Face Hub, or a folder that ``save_pretrained`` has written.
    layers : int
        Keep so many, the lowest; 0 keeps all.

    Returns
    -------
    dict
        The configuration, from which :func:`new_backbone` makes the same again.
    Backbone
        In float32.

    Raises
    ------
    ConfigError
        If there is no such checkpoint, it is of another family or incomplete, or too large to be
        exported.
    MissingExtraError
        If transformers is not installed.
    """
    transformers = _transformers()
    from_disk = Path(checkpoint).expanduser().is_dir()
    settings = _settings(checkpoint, from_disk)
    config = _config(settings, layers, f"checkpoint {checkpoint}")
    kind = transformers.WhisperModel if _is_whisper(config) else transformers.AutoModel
    try:
        with _quiet():
            model, found = kind.from_pretrained(
                str(Path(checkpoint).expanduser()) if from_disk else checkpoint,
                config=config,
                dtype=torch.float32,
                local_files_only=from_disk,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(checkpoint, error) from None
    part = "encoder." if _is_whisper(config) else ""
    missing = {str(key) for key in found["missing_keys"] if str(key).startswith(part)}
    if lacking := sorted(missing - _UNUSED):
        raise ConfigError(
            f"ssl: the checkpoint {checkpoint} lacks weights of its encoder: {lacking[0]}"
            f"{f' and {len(lacking) - 1} more' if len(lacking) > 1 else ''}"
        )
    return _plain(config), _backbone(model.encoder if _is_whisper(config) else model, config)


def new_backbone(settings: Mapping[str, Any], layers: int = 0) -> tuple[dict[str, Any], Backbone]:
    """Make an encoder from its configuration alone, with new weights.

    Parameters
    ----------
    settings : mapping
        As in the ``config.json`` of a checkpoint; what is left out has the default of its family.
    layers : int
        Keep so many, the lowest; 0 keeps all.

    Returns
    -------
    dict
        The whole configuration.
    Backbone

    Raises
    ------
    ConfigError
        If it is of another family, impossible, or too large to be exported.
    MissingExtraError
        If transformers is not installed.
    """
    config = _config(settings, layers, "model.options.encoder")
    return _plain(config), _backbone(_new_model(config), config)


def _backbone(model: Any, config: Any) -> Backbone:
    # WavLM gives torch masks of two types at once, and torch says so at the first padded batch.
    warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
    kind = WhisperBackbone if _is_whisper(config) else ConvolutionalBackbone
    return kind(model, config)


def _is_whisper(config: Any) -> bool:
    return str(config.model_type) == "whisper"


def _new_model(config: Any) -> nn.Module:
    transformers = _transformers()
    with _quiet():
        if _is_whisper(config):
            from transformers.models.whisper.modeling_whisper import WhisperEncoder

            encoder: nn.Module = WhisperEncoder(config)
            return encoder
        model: nn.Module = transformers.AutoModel.from_config(config)
        return model


def _settings(checkpoint: str, from_disk: bool) -> dict[str, Any]:
    """The ``config.json`` of a checkpoint."""
    named = checkpoint.strip("/").split("/")
    if from_disk and not (Path(checkpoint).expanduser() / "config.json").is_file():
        raise ConfigError(
            f"ssl: the folder {checkpoint} has no config.json: expected what save_pretrained of "
            "transformers has written"
        )
    if not from_disk and (len(named) > _HUB_NAME_PARTS or checkpoint[:1] in "./~"):
        raise ConfigError(f"ssl: no checkpoint at {checkpoint}: there is no such folder")
    try:
        with _quiet():
            settings, _ = _transformers().PreTrainedConfig.get_config_dict(
                str(Path(checkpoint).expanduser()) if from_disk else checkpoint,
                local_files_only=from_disk,
            )
    except (OSError, ValueError) as error:
        raise _unreadable(checkpoint, error) from None
    return dict(settings)


def _unreadable(checkpoint: str, error: Exception) -> ConfigError:
    reason = str(error).strip().splitlines()[0].rstrip(".: ")
    return ConfigError(
        f"ssl: cannot read the checkpoint {checkpoint} ({reason}): name one of the Hugging Face "
        "Hub, such as microsoft/wavlm-base-plus, or a folder with config.json and weights"
    )


def _config(settings: Mapping[str, Any], layers: int, where: str) -> Any:
    """Configuration of an encoder, cut to its lowest layers, if it can be used at all."""
    transformers = _transformers()
    from huggingface_hub.errors import StrictDataclassError

    options = {key: value for key, value in settings.items() if key not in _LEFT_OUT}
    family = options.pop("model_type", None)
    if family not in FAMILIES:
        raise ConfigError(
            f"ssl: {where} is of the family {family!r}: expected one of {', '.join(FAMILIES)}"
        )
    try:
        config = transformers.AutoConfig.for_model(family, **options)
    except (TypeError, ValueError, AttributeError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"ssl: {where} is impossible: {reason}") from None
    count = "encoder_layers" if family == "whisper" else "num_hidden_layers"
    if layers > getattr(config, count):
        raise ConfigError(
            f"ssl: layers = {layers}, but {where} has {getattr(config, count)} of them"
        )
    # Whole layers left out at random, and what comes after the layers, serve their own training.
    changes = {"layerdrop": 0.0, "encoder_layerdrop": 0.0, "add_adapter": False}
    if layers:
        changes |= {count: layers, "num_hidden_layers": layers}
    for key, value in changes.items():
        if hasattr(config, key):
            setattr(config, key, value)
    _check_size(config, where)
    return config


def _check_size(config: Any, where: str) -> None:
    """Refuse at once what could be trained for days and never be exported."""
    try:
        with torch.device("meta"):
            model = _new_model(config)
    except (TypeError, ValueError, ZeroDivisionError, RuntimeError, KeyError) as error:
        raise ConfigError(f"ssl: {where} is impossible: {error}") from None
    size = sum(4 * weight.numel() for weight in model.parameters())
    if size > LARGEST_BYTES:
        raise ConfigError(
            f"ssl: {where} has {size / 2**30:.1f} GB of weights, and an ONNX file holds 2: choose "
            "a smaller one, or fewer of its layers (model.options.layers)"
        )


def _plain(config: Any) -> dict[str, Any]:
    """A configuration as JSON."""
    settings = dict(config.to_dict())
    return {key: value for key, value in settings.items() if key not in _LEFT_OUT}


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


def _transformers() -> Any:
    if find_spec("transformers") is None:
        raise MissingExtraError("ssl", "transformers")
    import transformers

    return transformers


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back what transformers says of weights that are not needed here, and its bars."""
    logging = _transformers().utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
