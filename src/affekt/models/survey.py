"""The architectures side by side: how large each is, how much it computes, how far it hears."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from affekt.errors import MissingExtraError
from affekt.labels import SHARED_EMOTIONS
from affekt.models.anatomy import Part, dissect
from affekt.models.frontend import FrontendConfig
from affekt.models.network import Network, NetworkConfig, build_network
from affekt.models.registry import ARCHITECTURES, Paper, find_architecture


@dataclass(frozen=True)
class ArchitectureFacts:
    """What there is to know about an architecture before it is trained.

    Attributes
    ----------
    name, summary : str
    parameters : int
        Of the whole network.
    multiply_adds_per_second : int
        For each second of audio, the frontend left out; counted on 3 s.
    receptive_field : float or None
        Seconds that a frame of the encoder hears, the frontend's level left out; None where it
        is the whole recording.
    frames_per_second : float
        Of the encoder.
    streamable : bool
        Whether it streams, with a frontend that does.
    litert : bool
        Whether it becomes a LiteRT model.
    paper : Paper or None
    parts : tuple of Part
        What it is made of, see :func:`affekt.models.anatomy.dissect`.
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
    parts: tuple[Part, ...]


def architecture_facts(
    name: str,
    *,
    frontend: FrontendConfig | None = None,
    labels: tuple[str, ...] = SHARED_EMOTIONS,
) -> ArchitectureFacts:
    """Build an architecture with its default options, or its example, and measure it.

    Parameters
    ----------
    name : str
        In the registry.
    frontend : FrontendConfig, optional
        The default one if not given. An architecture that takes the waveform has its own.
    labels : tuple of str
        What it would tell apart.

    Raises
    ------
    ConfigError
        If no architecture has that name.
    MissingExtraError
        If it needs an extra that is not installed.
    """
    options = dict(find_architecture(name).make.example)
    return network_facts(
        build_network(NetworkConfig(labels, name, options, fit_for(name, frontend)))
    )


def fit_for(name: str, frontend: FrontendConfig | None = None) -> FrontendConfig:
    """A frontend for an architecture: the given or default one, or the waveform in 20 ms."""
    rate = find_architecture(name).make.waveform_rate
    if rate is None:
        return frontend or FrontendConfig()
    return FrontendConfig(kind="waveform", hop_length=rate // 50, sample_rate=rate)


def network_facts(network: Network) -> ArchitectureFacts:
    """Measure a network, which may have other options than the default ones."""
    name, frontend, encoder = network.config.architecture, network.config.frontend, network.encoder
    architecture = find_architecture(name)
    field = encoder.receptive_field
    parts = tuple(dissect(network))
    return ArchitectureFacts(
        name=name,
        summary=architecture.summary,
        parameters=sum(p.numel() for p in network.parameters()),
        multiply_adds_per_second=round(sum(part.multiply_adds for part in parts)),
        receptive_field=None
        if field is None
        else round(field * frontend.hop_length / frontend.sample_rate, 3),
        frames_per_second=frontend.frames_per_second / encoder.time_stride,
        streamable=encoder.streamable,
        litert=not encoder.litert_refusal,
        paper=architecture.paper,
        parts=parts,
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
