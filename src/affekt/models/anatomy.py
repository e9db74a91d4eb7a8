"""What a network is made of: its parts in order, what each gives, weighs and computes.

The network runs twice, on recordings of different length, and is watched: which part hands its
answer to which, and which side of an answer is time. Nothing is described by hand, so that the
pictures of the pages and the counts of the tables cannot differ from what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from affekt.models.caption import Caption
from affekt.models.layers.recurrent import Bidirectional
from affekt.models.network import Network

SECONDS = (3.0, 5.0)
"""Lengths of the recordings that the network is watched on; work is counted on the first."""


@dataclass(frozen=True)
class Part:
    """A part of a network.

    Attributes
    ----------
    title : str
        What it is.
    details : tuple of str
        Its size and what else belongs to it, a line each.
    parameters : int
        Trained numbers.
    multiply_adds : float
        For each second of audio.
    channels : int
        Of what it gives.
    rows : int
        Bands that it gives of each channel; 1 where there is only time.
    frames_per_second : float or None
        Of what it gives; None where it is one answer for the whole recording.
    inputs : tuple of int
        Places, among the parts, of those whose answers it takes; none takes the features.
    """

    title: str
    details: tuple[str, ...]
    parameters: int
    multiply_adds: float
    channels: int
    rows: int
    frames_per_second: float | None
    inputs: tuple[int, ...]


def dissect(network: Network) -> list[Part]:
    """Take a network apart, from the features to the logits.

    A part is a module with a ``caption``, or else one with parameters of its own; what lies
    within it belongs to it. Every parameter of the network is in exactly one part.

    Parameters
    ----------
    network : Network
        In evaluation mode on return.
    """
    network.eval()
    first, second = (_watch(network, seconds) for seconds in SECONDS)
    parts = []
    for one, other in zip(first.visits, second.visits, strict=True):
        rate, sizes = None, list(one.shape)
        for axis, (size, longer) in enumerate(zip(one.shape, other.shape, strict=True)):
            if size != longer:
                rate = (longer - size) / (SECONDS[1] - SECONDS[0])
                del sizes[axis]
        channels, *rows = sizes[1:]  # behind the batch
        parts.append(
            Part(
                one.caption.title,
                one.caption.details,
                one.parameters,
                one.operations / SECONDS[0],
                channels,
                rows[0] if rows else 1,
                rate,
                one.inputs,
            )
        )
    return parts


def multiply_adds(network: Network) -> float:
    """Multiply-adds for each second of audio, the frontend left out.

    Counted on 3 s of audio: attention grows with the length, all else does not.
    """
    return _watch(network.eval(), SECONDS[0]).operations / SECONDS[0]


def repeated(parts: list[Part]) -> list[tuple[Part, int]]:
    """Parts in a chain that are alike as one, with how often it comes; inputs are renumbered."""
    groups: list[tuple[Part, int]] = []
    place: dict[int, int] = {}
    for index, part in enumerate(parts):
        before = parts[index - 1] if index else None
        chained = part.inputs == (index - 1,) and before is not None
        if (
            chained
            and before is not None
            and replace(before, inputs=()) == replace(part, inputs=())
        ):
            same, count = groups[-1]
            groups[-1] = (same, count + 1)
        else:
            groups.append((replace(part, inputs=tuple(place[i] for i in part.inputs)), 1))
        place[index] = len(groups) - 1
    return groups


@dataclass
class _Visit:
    """A module that was called."""

    caption: Caption
    parameters: int
    shape: tuple[int, ...]
    inputs: tuple[int, ...]
    operations: float


@dataclass
class _Watch:
    """What was seen while a network ran."""

    visits: list[_Visit] = field(default_factory=list)
    operations: float = 0.0
    recurrent: float = 0.0
    starts: list[float] = field(default_factory=list)
    givers: dict[int, int] = field(default_factory=dict)  # storage of an answer -> its visit
    taken: set[int] = field(default_factory=set)
    kept: list[Tensor] = field(default_factory=list)  # alive, so that no storage is used again

    def inputs_of(self, x: Tensor, features: int) -> tuple[int, ...]:
        """Whose answer it is; if nobody's, it was made of all that nobody has taken yet."""
        storage = x.untyped_storage().data_ptr()
        if storage == features:
            return ()
        giver = self.givers.get(storage)
        if giver is not None:
            return (giver,)
        return tuple(i for i in range(len(self.visits)) if i not in self.taken)

    def add(self, visit: _Visit, answer: Tensor) -> None:
        self.taken.update(visit.inputs)
        self.givers[answer.untyped_storage().data_ptr()] = len(self.visits)
        self.kept.append(answer)
        self.visits.append(visit)


@torch.inference_mode()
def _watch(network: Network, seconds: float) -> _Watch:
    """Run a network on so many seconds, and note each part that was called."""
    watch = _Watch()
    rate = network.config.frontend.sample_rate
    spectrum = network.frontend(torch.zeros(1, round(seconds * rate)))
    features = network.frontend.features(spectrum)
    features = (features - network.feature_mean) / network.feature_scale
    watch.kept.append(features)
    source = features.untyped_storage().data_ptr()
    with (
        FlopCounterMode(display=False) as counter,
        # With its default kernels, attention is a call that the counter does not look into.
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
    ):

        def total() -> float:
            return float(counter.get_total_flops() / 2 + watch.recurrent)

        def before(module: nn.Module, given: tuple[Any, ...]) -> None:
            watch.starts.append(total())

        def after(module: nn.Module, given: tuple[Any, ...], answer: Tensor) -> None:
            start = watch.starts.pop()
            if isinstance(module, Bidirectional):
                # Their matrices meet every frame once. What the counter sees of that depends on
                # the cell and the machine, from nothing to all of it.
                weights = sum(p.numel() for p in module.parameters() if p.ndim == 2)
                watch.recurrent += weights * given[0].shape[2] - (total() - start)
            visit = _Visit(
                _caption(module),
                sum(p.numel() for p in module.parameters()),
                tuple(answer.shape),
                watch.inputs_of(given[0], source),
                total() - start,
            )
            watch.add(visit, answer)

        def ended(encoder: nn.Module, given: tuple[Any, ...], answer: Tensor) -> None:
            """The encoder's own last step, where it has one."""
            own = sum(p.numel() for p in encoder.parameters(recurse=False))
            title = network.encoder.ending
            if not (title or own):
                return
            open_ends = tuple(i for i in range(len(watch.visits)) if i not in watch.taken)
            caption = Caption(title or type(encoder).__name__)
            watch.add(_Visit(caption, own, tuple(answer.shape), open_ends, 0.0), answer)

        hooks = []
        if not hasattr(network.encoder, "caption"):  # else it is one part
            hooks.append(network.encoder.register_forward_hook(ended))
        for module in _units(network):
            hooks += [module.register_forward_pre_hook(before), module.register_forward_hook(after)]
        try:
            embedding = network.pooling(network.encoder(features).float())
            network.head(embedding)
            if network.intensity_head is not None:
                network.intensity_head(embedding)
        finally:
            for hook in hooks:
                hook.remove()
        watch.operations = total()
    return watch


def _units(network: Network) -> Iterator[nn.Module]:
    """The modules that are parts, in the order in which they were made."""
    for name, module in network.named_children():
        if name != "frontend":
            yield from _within(module, inside_encoder=name == "encoder")


def _within(module: nn.Module, inside_encoder: bool) -> Iterator[nn.Module]:
    if hasattr(module, "caption"):
        yield module
        return
    own = any(True for _ in module.parameters(recurse=False))
    if own and not inside_encoder:
        yield module
        return
    for child in module.children():
        yield from _within(child, inside_encoder=False)


def _caption(module: nn.Module) -> Caption:
    known = getattr(module, "caption", None)
    return known if isinstance(known, Caption) else Caption(type(module).__name__)
