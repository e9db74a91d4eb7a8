"""From a checkpoint of Hugging Face's ``transformers``, or its configuration, to an encoder.

The weights of a checkpoint are read once, when a network is new. From then on the configuration is
among the network's options, and the weights are with its own.
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
from torch import nn

from affekt.errors import ConfigError, MissingExtraError
from affekt.models.encoders.backbones import Backbone, ConvolutionalBackbone, WhisperBackbone

FAMILIES = ("hubert", "wav2vec2", "wavlm", "whisper")
"""What a checkpoint may be, by the ``model_type`` of its ``config.json``."""
LARGEST_BYTES = 2**31 - 2**24  # what one ONNX file holds, less 16 MB for all but weights

_UNUSED = {"masked_spec_embed"}  # weights of the pre-training, which some checkpoints lack
# Keys of a configuration about its file and other tasks, left out of a model.
_LEFT_OUT = (
    *("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version"),
    *("id2label", "label2id"),
)
_HUB_NAME_PARTS = 2  # owner/name


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


def bare_name(checkpoint: str) -> str:
    """A name of the Hub as it is, and of a folder the last part.

    No path of a machine belongs into a model, and the folder is not needed any more.
    """
    folder = Path(checkpoint).expanduser()
    return folder.resolve().name if checkpoint and folder.is_dir() else checkpoint


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


def _transformers() -> Any:
    if find_spec("transformers") is None:
        raise MissingExtraError("ssl", "transformers")
    import transformers

    return transformers


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress messages of transformers about weights that are not needed here, and its bars."""
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
