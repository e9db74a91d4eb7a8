"""What the layers of a streaming network remember from one step to the next, as one tensor."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor


class Memory:
    """What the layers of one step remember, in the order in which they ask.

    Parameters
    ----------
    state : Tensor [batch, size]
        What :meth:`next_state` gave at the step before; zeros at the beginning.
    """

    def __init__(self, state: Tensor) -> None:
        self._state = state
        self._used = 0
        self._kept: list[Tensor] = []

    def join(self, new: Tensor, length: int) -> Tensor:
        """Put the last ``length`` steps of before in front of ``new`` ``[batch, ..., steps]``."""
        if length == 0:
            return new
        shape = (*new.shape[1:-1], length)
        size = prod(shape)
        past = self._state[:, self._used : self._used + size].reshape(-1, *shape)
        self._used += size
        joined = torch.cat([past, new], dim=-1)
        self._kept.append(joined[..., -length:].flatten(1))
        return joined

    def delay(self, new: Tensor, steps: int) -> Tensor:
        """Give ``[batch, ..., steps]`` of so many steps before."""
        return self.join(new, steps)[..., : new.shape[-1]]

    def next_state(self) -> Tensor:
        """What the next step remembers ``[batch, size]``."""
        return torch.cat(self._kept, dim=1)


class MemoryCounter(Memory):
    """A memory without content, which counts the requested numbers."""

    def __init__(self) -> None:
        super().__init__(torch.zeros(1, 0))

    def join(self, new: Tensor, length: int) -> Tensor:
        """Count ``length`` steps of ``new``, and put zeros in front."""
        past = new.new_zeros((*new.shape[:-1], length))
        self._used += past[0].numel()
        return torch.cat([past, new], dim=-1)

    @property
    def size(self) -> int:
        """Requested numbers."""
        return self._used
