"""Where training runs: the device, and the other processes that share the work.

Started by ``torchrun``, every process holds the whole network, takes its rows of each batch, and
the gradients are averaged (``DistributedDataParallel``). The first process alone writes files.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
import torch.distributed
from torch import nn

from affekt.errors import ConfigError

if TYPE_CHECKING:
    from affekt.training.data.batches import Batch


def choose_device(wanted: str) -> torch.device:
    """The device that a recipe or ``--device`` names.

    Parameters
    ----------
    wanted : str
        ``"auto"`` (a GPU where there is one), or a device of torch: ``"cpu"``, ``"cuda"``,
        ``"cuda:1"``, ``"mps"``. Processes of ``torchrun`` take one GPU each.

    Raises
    ------
    ConfigError
        If it is not there; another is never taken silently.
    """
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"unknown device {wanted!r}: auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cuda":
        own = device.index if ":" in wanted else int(os.environ.get("LOCAL_RANK", "0"))
        if own >= torch.cuda.device_count():
            raise ConfigError(
                f"no GPU {own} for torch {torch.__version__}, which sees "
                f"{torch.cuda.device_count()}: use --device cpu, or a build of torch for CUDA"
            )
        return torch.device("cuda", own)
    if device.type == "mps" and not torch.mps.is_available():
        raise ConfigError("torch sees no Apple GPU here: use --device cpu")
    if device.type not in ("cpu", "mps"):
        raise ConfigError(f"affekt does not train on {wanted!r}: auto, cpu, cuda, cuda:1 or mps")
    return device


class ProcessGroup:
    """The processes of one training run; of one process unless ``torchrun`` started more.

    Attributes
    ----------
    rank, size : int
        Which process this is, from 0, and of how many.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.rank, self.size = int(os.environ.get("RANK", "0")), group_size()
        if self.size > 1 and not torch.distributed.is_initialized():
            torch.distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")

    @property
    def first(self) -> bool:
        """Whether this process writes the files and scores the validation clips."""
        return self.rank == 0

    def share(self, batch: Batch) -> Batch:
        """The rows of a batch that this process learns from."""
        return batch if self.size == 1 else batch.rows(slice(self.rank, None, self.size))

    def joined(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are the mean over all processes."""
        if self.size == 1:
            return module
        return nn.parallel.DistributedDataParallel(module)

    def any(self, flag: bool) -> bool:
        """Whether it is so for any of the processes."""
        if self.size == 1:
            return flag
        shared = torch.tensor(float(flag), device=self.device)
        torch.distributed.all_reduce(shared, torch.distributed.ReduceOp.MAX)
        return bool(shared > 0)

    def from_first(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Make known to all what the first process has."""
        if self.size == 1:
            return values
        shared = torch.tensor(values, device=self.device, dtype=torch.float32)
        torch.distributed.broadcast(shared, src=0)
        return tuple(shared.tolist())


def is_first() -> bool:
    """Whether this process is the one that writes: the only one, or the first of ``torchrun``."""
    return os.environ.get("RANK", "0") == "0"


def group_size() -> int:
    """How many processes ``torchrun`` started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def wait_for_all() -> None:
    """Wait for every process of the group; return at once for a single one."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()
