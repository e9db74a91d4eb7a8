"""Size, work and receptive field of each architecture."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from affekt.errors import MissingExtraError
from affekt.labels import SHARED_EMOTIONS
from affekt.models.frontend import FrontendConfig
from affekt.models.layers.recurrent import Bidirectional
from affekt.models.network import Network, NetworkConfig, build_network
from affekt.models.registry import ARCHITECTURES, Paper, find_architecture

COUNTED_SECONDS = 3.0
"""Length of the recording on which work is counted: attention grows with it, all else does not."""


@dataclass(frozen=True)
class ArchitectureFacts:
    """Size and cost of an architecture.

    Attributes
    ----------
    name, summary : str
    parameters : int
        Of the whole network.
    multiply_adds_per_second : int
        For each second of audio, without the frontend; counted on `COUNTED_SECONDS`.
    receptive_field : float or None
        Seconds of the recording that one frame of the encoder depends on, without the frontend's
        level; None for the whole recording.
    frames_per_second : float
        Of the encoder.
    streamable : bool
        Whether it streams, with a frontend that does.
    litert : bool
        Whether it becomes a LiteRT model.
    paper : Paper or None
    """

    name: str
    summary: str
    parameters: int
    multiply_adds_per_second: int
    receptive_field: float | None
    frames_per_second: float
    streamable: bool
    litert: bool
    paper: Paper | None


def example_network(
    name: str,
    *,
    frontend: FrontendConfig | None = None,
    labels: tuple[str, ...] = SHARED_EMOTIONS,
) -> Network:
    """Build an architecture with its default options, or those of its example.

    Parameters
    ----------
    name : str
        In the registry.
    frontend : FrontendConfig, optional
        The default one if not given. An architecture that takes the waveform has its own.
    labels : tuple of str

    Raises
    ------
    ConfigError
        If no architecture has that name.
    MissingExtraError
        If it needs an extra that is not installed.
    """
    make = find_architecture(name).make
    if make.waveform_rate is not None:
        rate = make.waveform_rate
        frontend = FrontendConfig(kind="waveform", hop_length=rate // 50, sample_rate=rate)
    frontend = frontend or FrontendConfig()
    return build_network(NetworkConfig(labels, name, dict(make.example), frontend))


def architecture_facts(name: str, *, frontend: FrontendConfig | None = None) -> ArchitectureFacts:
    """Measure the network that `example_network` builds."""
    return network_facts(example_network(name, frontend=frontend))


def network_facts(network: Network) -> ArchitectureFacts:
    """Measure a network."""
    name, frontend, encoder = network.config.architecture, network.config.frontend, network.encoder
    architecture = find_architecture(name)
    field = encoder.receptive_field
    return ArchitectureFacts(
        name=name,
        summary=architecture.summary,
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds_per_second=round(multiply_adds(network)),
        receptive_field=None
        if field is None
        else round(field * frontend.hop_length / frontend.sample_rate, 3),
        frames_per_second=frontend.frames_per_second / encoder.time_stride,
        streamable=encoder.streamable,
        litert=not encoder.litert_refusal,
        paper=architecture.paper,
    )


def survey() -> list[ArchitectureFacts]:
    """Measure every architecture of the registry, in the order of its names.

    One whose extra is not installed is left out.
    """
    found = []
    for name in sorted(ARCHITECTURES):
        with suppress(MissingExtraError):
            found.append(architecture_facts(name))
    return found


@torch.inference_mode()
def multiply_adds(network: Network) -> float:
    """Multiply-adds for each second of audio, without the frontend.

    Parameters
    ----------
    network : Network
        In evaluation mode on return.
    """
    network.eval()
    samples = round(COUNTED_SECONDS * network.config.frontend.sample_rate)
    features = network.frontend.features(network.frontend(torch.zeros(1, samples)))
    missed, starts = [0.0], [0]

    def before(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        starts.append(counter.get_total_flops())

    def after(module: nn.Module, given: tuple[Tensor, ...], answer: Tensor) -> None:
        # Each matrix meets every frame once. How much of that the counter sees depends on the
        # cell and the machine.
        weights = sum(p.numel() for p in module.parameters() if p.ndim == 2)
        seen = (counter.get_total_flops() - starts.pop()) / 2
        missed[0] += weights * given[0].shape[2] - seen

    recurrent = [module for module in network.modules() if isinstance(module, Bidirectional)]
    hooks = [module.register_forward_pre_hook(before) for module in recurrent]
    hooks += [module.register_forward_hook(after) for module in recurrent]
    try:
        with (
            FlopCounterMode(display=False) as counter,
            # With its default kernels, attention is a call that the counter does not look into.
            torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        ):
            embedding = network.pooling(network.encoder(features).float())
            network.head(embedding)
            for head in network.scalar_heads.values():
                head(embedding)
    finally:
        for hook in hooks:
            hook.remove()
    return float(counter.get_total_flops() / 2 + missed[0]) / COUNTED_SECONDS
