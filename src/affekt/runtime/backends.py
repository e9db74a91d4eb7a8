"""Run a model graph: waveforms in, probabilities and embeddings out.

One class per engine. ONNX Runtime is the one of the base install, see :mod:`affekt.runtime.litert`
for the other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import numpy.typing as npt

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
from affekt.runtime.devices import CPU, check_in_use, providers_of

if TYPE_CHECKING:
    from affekt.runtime.encoder import FrameEncoder

Floats = npt.NDArray[np.float32]

LOWEST_RUNTIME = "1.20"
"""Lowest version of onnxruntime that runs every graph of `affekt export`; pyproject.toml asks for
no other."""

MAX_DEFAULT_THREADS = 4
"""More threads than this rarely make a model of this size faster."""


class Backend(Protocol):
    """What the predictor needs of an engine."""

    config: ModelConfig

    def run(self, waveforms: Floats) -> tuple[Floats, Floats]:
        """Map waveforms [batch, samples] to probabilities [batch, classes] and embeddings."""
        ...

    def answer(self, waveforms: Floats) -> tuple[Floats, ...]:
        """The same, and intensities [batch] from 0 to 1 where the model says them."""
        ...

    def frame_encoder(self) -> FrameEncoder | None:
        """What computes frames chunk by chunk; None where the model cannot."""
        ...


def default_threads() -> int:
    """Return how many threads a model uses by default: the cores of this process, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MAX_DEFAULT_THREADS, cores or 1))


BACKENDS = {"onnx": GRAPH_FILE, "litert": LITERT_FILE}
"""By engine, the file of a model directory that it runs."""


def open_backend(
    bundle: Bundle, *, engine: str = "", threads: int | None = None, device: str = CPU
) -> Backend:
    """Load a model with the engine that is asked for, or that its file needs.

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

    Raises
    ------
    ModelError
        If the graph cannot be loaded, contradicts the configuration, or the device is not there.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None, device: str = CPU) -> None:
        self._path = bundle.graph
        self._threads, self._device = threads or default_threads(), device
        self._session = open_session(bundle.graph, self._threads, device)
        self._has_folder = bundle.config is not None  # else the file stands by itself
        self._check_ports()
        self.config = self._agreed_config(bundle.config)

    def run(self, waveforms: Floats) -> tuple[Floats, Floats]:
        """Map waveforms to probabilities and embeddings.

        Parameters
        ----------
        waveforms : np.ndarray [shape=(batch, samples)]
            float32, mono, at the model's sample rate.

        Returns
        -------
        probabilities : np.ndarray [shape=(batch, classes)]
        embeddings : np.ndarray [shape=(batch, dim)]

        Raises
        ------
        ModelError
            If the input has another shape, the graph fails, or it answers with something other
            than finite probabilities.
        """
        probabilities, embeddings, *_ = self.answer(waveforms)
        return probabilities, embeddings

    def answer(self, waveforms: Floats) -> tuple[Floats, ...]:
        """As :meth:`run`, and intensities [batch] from 0 to 1 where the model says them."""
        inputs = {"waveform": checked_waveforms(waveforms, self._path)}
        answers = run_session(self._session, self._outputs, inputs, self._path)
        probabilities = answers[0]
        expected = (len(waveforms), len(self.config.labels))
        if probabilities.shape != expected or not np.isfinite(probabilities).all():
            raise ModelError(f"{self._path} answers with no probabilities: export the model again")
        return tuple(answers)

    def frame_encoder(self) -> FrameEncoder | None:
        """What computes frames chunk by chunk, loaded when it is first asked for.

        None where the model cannot stream, or is a bare file without ``encoder.onnx`` beside it.
        """
        return self._frame_encoder

    @cached_property
    def _frame_encoder(self) -> FrameEncoder | None:
        from affekt.runtime.encoder import FrameEncoder

        folder, facts = self._path.parent, self.config.streaming
        encoder, head = folder / ENCODER_FILE, folder / HEAD_FILE
        if not (facts and self._has_folder and encoder.is_file() and head.is_file()):
            return None
        return FrameEncoder(encoder, head, facts, self._threads, self._device)

    def _check_ports(self) -> None:
        inputs = {port.name for port in self._session.get_inputs()}
        outputs = {port.name for port in self._session.get_outputs()}
        if inputs != {"waveform"} or not {"probabilities", "embedding"} <= outputs:
            raise ModelError(
                f"{self._path} is not a graph of affekt: expected the input 'waveform' and the "
                f"outputs 'probabilities' and 'embedding'"
            )
        intensity = ("intensity",) if "intensity" in outputs else ()
        self._outputs = ("probabilities", "embedding", *intensity)

    def _agreed_config(self, config: ModelConfig | None) -> ModelConfig:
        told = self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
        if told is not None:
            inner = parse_config(told, f"the metadata of {self._path}")
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


def checked_waveforms(waveforms: Floats, path: Path) -> Floats:
    """Return what a graph takes, as float32.

    Raises
    ------
    ModelError
        If it is not of shape [batch, samples], or empty.
    """
    waveforms = np.asarray(waveforms, dtype=np.float32)
    if waveforms.ndim != 2 or not waveforms.size:
        raise ModelError(f"{path} takes waveforms [batch, samples], got shape {waveforms.shape}")
    return waveforms


def run_session(
    session: Any, outputs: Sequence[str], inputs: Mapping[str, Floats], path: Path
) -> list[Floats]:
    """Run a graph.

    Raises
    ------
    ModelError
        If the graph fails.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as engine

    try:
        return cast("list[Floats]", session.run(list(outputs), dict(inputs)))
    except (engine.RuntimeException, engine.Fail, engine.InvalidArgument) as error:
        raise ModelError(f"{path} failed on its input: {_first_line(error)}") from None


def open_session(path: Path, threads: int, device: str = CPU) -> Any:
    """Load an ONNX file.

    Raises
    ------
    ModelError
        If it is damaged, the installed onnxruntime cannot run it, or the device cannot be used.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as engine

    providers, options = providers_of(device), session_options(threads)
    try:
        session = onnxruntime.InferenceSession(str(path), sess_options=options, providers=providers)
    except (
        engine.Fail,
        engine.InvalidArgument,
        engine.InvalidGraph,
        engine.InvalidProtobuf,
        engine.NoModel,
        engine.NoSuchFile,
        engine.NotImplemented,
        engine.RuntimeException,
    ) as error:
        reason = _first_line(error)
        if isinstance(error, engine.NotImplemented) or _TOO_NEW.search(str(error)):
            raise ModelError(_not_supported(path, onnxruntime.__version__, reason)) from None
        raise ModelError(
            f"{path} cannot be loaded, it is damaged or unreadable ({reason}): "
            f"fetch or export the model again"
        ) from None
    check_in_use(device, session.get_providers())
    return session


def session_options(threads: int) -> Any:
    """Options of every session: its threads, and the same answers on every processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin while they wait take the cores from numpy and the decoder.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # On x86 without VNNI, sums of two products of int8 saturate at 16 bits. The weights that
    # `affekt export` writes are small enough; this is for int8 graphs with weights of 8 bits.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 3  # errors only: its warnings are for who exports
    return options


_TOO_NEW = re.compile(
    r"Unsupported model IR version|only \*guarantees\* support|No Op registered|not a registered"
)


def _not_supported(path: Path, version: str, reason: str) -> str:
    """In words: the graph needs another version of the runtime."""
    needs = f"onnxruntime {version} cannot run {path} ({reason})"
    release = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if release < tuple(map(int, LOWEST_RUNTIME.split("."))):
        return (
            f"{needs}: affekt needs onnxruntime {LOWEST_RUNTIME} or newer: "
            f"pip install -U onnxruntime"
        )
    return (
        f"{needs}: install a newer one (pip install -U onnxruntime), or export the model again "
        f"with this version of affekt, whose graphs run from onnxruntime {LOWEST_RUNTIME} on"
    )


def _first_line(error: Exception) -> str:
    """Shorten the engine's report to its gist: what follows its own numbers, one line of it."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    line = _WHERE.sub("", line.rsplit(" : ", 1)[-1])
    return line[:160]


_WHERE = re.compile(r"^(Load model from .* failed:)?(/\S+:\d+ .*?\) (?=[A-Z]))?")
"""The engine's words for which file it read, and where in its own source it stood."""
