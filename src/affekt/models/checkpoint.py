"""Checkpoints: the whole state of a run in one safetensors file, replaced atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as serialised
from torch import Tensor, nn

from affekt.errors import ModelError
from affekt.files import atomic_path

_FACTS = "affekt"


def save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write tensors and JSON metadata to one file.

    Parameters
    ----------
    path : Path
        Keeps its old content until the new one is complete.
    tensors : dict of Tensor
    metadata : dict
        Anything JSON can hold.
    """
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as partial:
        # In one piece: safetensors' own files could be read by nobody else.
        partial.write_bytes(serialised(plain, metadata={_FACTS: json.dumps(metadata)}))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save` wrote, even while a running training replaces it.

    Raises
    ------
    ModelError
        If there is no such file, or it is damaged.
    """
    try:
        # At once: opened a second time, it may be another file, of the next step.
        content = path.read_bytes()
        return load_tensors(content), json.loads(_metadata(content)[_FACTS])
    except FileNotFoundError:
        raise ModelError(f"no checkpoint at {path}") from None
    except (SafetensorError, KeyError, TypeError, ValueError, OSError) as error:
        raise ModelError(f"{path} is damaged ({error}): delete it to start again") from None


def _metadata(content: bytes) -> dict[str, str]:
    """The texts in a safetensors file, which begins with its header: length, then JSON."""
    length = int.from_bytes(content[:8], "little")
    header: dict[str, Any] = json.loads(content[8 : 8 + length])
    return dict(header["__metadata__"])


def training_tensors(
    network: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, Tensor]:
    """All tensors of a run, by names with their owner."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{key}": value for key, value in state.items()}
    # Dropout draws from torch's generators; everything else derives from seed and step.
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    return tensors


def restore(
    tensors: dict[str, Tensor],
    network: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Put everything back where :func:`training_tensors` took it from."""
    network.load_state_dict(under(tensors, "network."))
    average.load_state_dict(under(tensors, "average."))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in under(tensors, "optimizer.").items():
        index, key = name.split(".")
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    torch.set_rng_state(tensors["random.cpu"])
    if "random.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["random.cuda"])


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
