"""Run a model graph: waveforms in, its outputs by name out.

One class per engine. ONNX Runtime is the one of the base install, see :mod:`affekt.runtime.litert`
for the other.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from affekt.errors import ConfigError, ModelError
from affekt.runtime.bundle import (
    ENCODER_FILE,
    GRAPH_FILE,
    HEAD_FILE,
    LITERT_FILE,
    METADATA_KEY,
    Bundle,
)
from affekt.runtime.config import ModelConfig, parse_config
from affekt.runtime.devices import CPU
from affekt.runtime.parts import RunningMean, cut, part_samples
from affekt.runtime.session import (
    Floats,
    checked_waveforms,
    default_threads,
    known_outputs,
    open_session,
    run_session,
)

if TYPE_CHECKING:
    from affekt.runtime.encoder import FrameEncoder


class Backend(Protocol):
    """Interface of an engine for the predictor."""

    config: ModelConfig

    outputs: tuple[str, ...]
    """Names of what :meth:`run` gives."""

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """Map waveforms [batch, samples] to the outputs of the graph, by name.

        ``probabilities`` [batch, classes], ``embedding`` [batch, dim], and [batch] for each of
        `affekt.results.OUTPUTS` that the model says.
        """
        ...

    def frame_encoder(self) -> FrameEncoder | None:
        """What computes frames chunk by chunk; None where the model cannot."""
        ...


BACKENDS = {"onnx": GRAPH_FILE, "litert": LITERT_FILE}
"""By engine, the file of a model directory that it runs."""


def open_backend(
    bundle: Bundle, *, engine: str = "", threads: int | None = None, device: str = CPU
) -> Backend:
    """Load a model with the chosen engine, or the one that its file needs.

    Parameters
    ----------
    bundle : Bundle
    engine : str
        ``"onnx"``, ``"litert"``, or empty: that of the bundle's file.
    threads : int, optional
        :func:`default_threads` when None.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"tensorrt"``, for ONNX Runtime.

    Raises
    ------
    ConfigError
        If engine or device are unknown, or do not go together.
    ModelError
        If the model has no file for the engine, or cannot be loaded.
    """
    engine = engine or ("litert" if bundle.graph.suffix == ".tflite" else "onnx")
    if engine not in BACKENDS:
        raise ConfigError(f"unknown backend {engine!r}: expected one of {', '.join(BACKENDS)}")
    wanted = Path(BACKENDS[engine])
    if bundle.graph.suffix != wanted.suffix:
        beside = bundle.directory / wanted
        if bundle.config is None or not beside.is_file():
            raise ModelError(
                f"{bundle.directory} has no {wanted} for the backend {engine}: "
                f"affekt export MODEL --to {engine} makes it"
            )
        bundle = Bundle(beside, bundle.config)
    if engine == "onnx":
        return OnnxBackend(bundle, threads=threads, device=device)
    if device != CPU:
        raise ConfigError(f"the backend litert runs on the cpu here, not on {device}")
    from affekt.runtime.litert import LiteRtBackend

    return LiteRtBackend(bundle, threads=threads or default_threads())


class OnnxBackend:
    """ONNX Runtime.

    Parameters
    ----------
    bundle : Bundle
        Which model.
    threads : int, optional
        Threads within an operator; :func:`default_threads` when None.
    device : str
        ``"cpu"``, ``"cuda"`` or ``"tensorrt"``.
    whole : bool
        Whether the graph takes a recording of any length at once, as its network does.

    Raises
    ------
    ModelError
        If the graph cannot be loaded, contradicts the configuration, or the device is not there.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        device: str = CPU,
        whole: bool = False,
    ) -> None:
        self._whole = whole
        self._path = bundle.graph
        self._threads, self._device = threads or default_threads(), device
        self._session = open_session(bundle.graph, self._threads, device)
        self._has_folder = bundle.config is not None  # else the file stands by itself
        self.folder = bundle.directory if self._has_folder else None
        self._check_ports()
        self.config = self._agreed_config(bundle.config)

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """Map waveforms to the outputs of the graph.

        Parameters
        ----------
        waveforms : np.ndarray [shape=(batch, samples)]
            float32, mono, at the model's sample rate.

        Returns
        -------
        dict of str to np.ndarray
            See :meth:`Backend.run`.

        Raises
        ------
        ModelError
            If the input has another shape, the graph fails, or it answers with something other
            than finite probabilities.
        """
        waveforms = checked_waveforms(waveforms, self._path)
        size = part_samples(self.config)
        if self._whole or self.config.streamable or waveforms.shape[1] <= size:
            return self._run(waveforms)
        means = RunningMean()
        for part in cut([waveforms], size):
            means.add(self._run(part), part)
        return means.means()

    def _run(self, waveforms: Floats) -> dict[str, Floats]:
        found = run_session(self._session, self.outputs, {"waveform": waveforms}, self._path)
        probabilities = found["probabilities"]
        expected = (len(waveforms), len(self.config.labels))
        if probabilities.shape != expected or not np.isfinite(probabilities).all():
            raise ModelError(f"{self._path} answers with no probabilities: export the model again")
        return found

    def frame_encoder(self) -> FrameEncoder | None:
        """What computes frames chunk by chunk, loaded when it is first needed.

        None where the model cannot stream, or is a bare file without ``encoder.onnx`` beside it.
        """
        return self._frame_encoder

    @cached_property
    def _frame_encoder(self) -> FrameEncoder | None:
        from affekt.runtime.encoder import FrameEncoder

        folder, metadata = self._path.parent, self.config.streaming
        encoder, head = folder / ENCODER_FILE, folder / HEAD_FILE
        if not (metadata and self._has_folder and encoder.is_file() and head.is_file()):
            return None
        return FrameEncoder(encoder, head, metadata, self._threads, self._device)

    def _check_ports(self) -> None:
        inputs = {port.name for port in self._session.get_inputs()}
        outputs = {port.name for port in self._session.get_outputs()}
        if inputs != {"waveform"} or not {"probabilities", "embedding"} <= outputs:
            raise ModelError(
                f"{self._path} is not a graph of affekt: expected the input 'waveform' and the "
                f"outputs 'probabilities' and 'embedding'"
            )
        self.outputs = ("probabilities", "embedding", *known_outputs(outputs))

    def _agreed_config(self, config: ModelConfig | None) -> ModelConfig:
        stored = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if stored is not None:
            inner = parse_config(stored, f"the metadata of {self._path}")
            if config is not None and config.labels != inner.labels:
                raise ModelError(
                    f"{self._path} answers with {', '.join(inner.labels)}, its config.json says "
                    f"{', '.join(config.labels)}: the two are of different models"
                )
            config = config or inner
        if config is None:
            raise ModelError(f"{self._path} carries no configuration: give its model directory")
        shapes = {port.name: port.shape for port in self._session.get_outputs()}
        classes = (shapes["probabilities"] or [None])[-1]
        if isinstance(classes, int) and classes != len(config.labels):
            raise ModelError(
                f"{self._path} answers with {classes} classes, its config.json names "
                f"{len(config.labels)}: the two are of different models"
            )
        return config
