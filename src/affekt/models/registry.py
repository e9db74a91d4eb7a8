"""Architectures by name.

An architecture is a module that turns features into frame embeddings, together with the frozen
dataclass of its options. To add one, write a file beside ``cnn.py``, decorate its class with
``@register(name, Options)`` and import it in ``models/__init__.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from torch import Tensor, nn

from affekt.config import build
from affekt.errors import ConfigError
from affekt.plugins import Registry

if TYPE_CHECKING:
    from affekt.models.layers.memory import Memory


class Paper(NamedTuple):
    """Where an idea comes from."""

    citation: str
    url: str


class Encoder(nn.Module):
    """What every architecture is: features ``[batch, channels, frames]`` to frame embeddings."""

    output_channels: int
    """Channels of a frame embedding."""
    time_stride: int
    """Input frames per output frame."""
    receptive_field: int | None
    """Input frames that one output frame depends on; None when it is the whole recording."""
    streamable: bool = False
    """Whether :meth:`step` computes frame embeddings chunk by chunk."""
    litert_refusal: str = ""
    """Why it cannot become a LiteRT model; empty where it can."""
    waveform_rate: int | None = None
    """Hz of the waveform that it takes, in pieces of one frame; None where it takes features."""
    found: Mapping[str, Any] = MappingProxyType({})
    """Options that it has found out itself, without which it could not be made again."""
    delay: int = 0
    """Output frames by which :meth:`step` answers later: its look-ahead."""
    example: Mapping[str, Any] = MappingProxyType({})
    """Options to count it with, where the size depends on a checkpoint."""
    still: bool = False
    """Whether training leaves a part of it as it is; :meth:`frozen_features` computes that."""
    pools: bool = False
    """Whether :meth:`forward` gives one frame for the whole recording; nothing is left to pool."""
    paper: Paper | None = None
    """Where it comes from."""

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode ``[batch, channels, frames]``.

        The answer is ``[batch, output_channels, ceil(frames / time_stride)]``.
        With a ``mask`` ``[batch, 1, frames]`` (1 for frames, 0 for padding) the answer for the
        unpadded frames is the one they get without padding.
        """
        raise ConfigError(f"{type(self).__name__} does not define forward()")

    def frozen_features(self, features: Tensor) -> Tensor:
        """The part of :meth:`forward` that training leaves as it is, of whole recordings.

        ``[batch, channels, frames]`` becomes ``[batch, other channels, frames]``, which
        :meth:`forward` takes as well: what is computed once need not be computed in each epoch.
        """
        raise ConfigError(f"{type(self).__name__} does not define frozen_features()")

    def softness(self, embedding: Tensor) -> Tensor | None:
        """What logits are divided by ``[batch, 1]`` besides the temperature; None: nothing.

        An encoder that measures how far a recording is from its training clips is less certain of
        what lies far away.
        """
        return None

    def slow_parameters(self) -> tuple[Iterable[nn.Parameter], float]:
        """Parameters that were trained before, and by how much slower they should learn."""
        return (), 1.0

    def step(self, features: Tensor, mask: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Encode what follows, with what is remembered of before.

        Parameters
        ----------
        features : Tensor [batch, channels, frames]
            A whole number of strides; any finite value where the mask is 0.
        mask : Tensor [batch, 1, frames]
            1 for frames within the recording.
        memory : Memory

        Returns
        -------
        frames : Tensor [batch, output_channels, frames / time_stride]
            Frame embeddings of ``delay`` frames before.
        mask : Tensor [batch, 1, frames / time_stride]
            1 where that is a frame of the recording.
        """
        raise ConfigError(f"{type(self).__name__} does not stream: it does not define step()")


@dataclass(frozen=True)
class Architecture:
    """A named architecture: its options and how to make it."""

    name: str
    options: type[Any]
    make: type[Encoder]
    summary: str
    paper: Paper | None = None


ARCHITECTURES: Registry[Architecture] = Registry("affekt.encoders", Architecture)
"""Every architecture by name; filled by :func:`register`."""

E = TypeVar("E", bound=type[Encoder])


def register(name: str, options: type[Any]) -> Callable[[E], E]:
    """Class decorator that adds an encoder to :data:`ARCHITECTURES`.

    The class is made as ``cls(channels, options)``, with the channels of the frontend.
    """

    def add(cls: E) -> E:
        summary = (cls.__doc__ or name).strip().splitlines()[0]
        ARCHITECTURES.add(name, Architecture(name, options, cls, summary, cls.paper))
        return cls

    return add


def find_architecture(name: str) -> Architecture:
    """The architecture of that name.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise ConfigError(f"unknown architecture {name!r}: expected one of {known}")
    return ARCHITECTURES[name]


def build_encoder(name: str, channels: int, options: Mapping[str, Any]) -> Encoder:
    """Make an encoder by name.

    Raises
    ------
    ConfigError
        If no architecture has that name, or an option is unknown or impossible.
    """
    architecture = find_architecture(name)
    return architecture.make(channels, build(architecture.options, options, f"model.{name}"))
