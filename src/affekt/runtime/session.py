"""Sessions of ONNX Runtime: opened, run, and their faults in words."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from affekt.errors import ModelError
from affekt.results import OUTPUTS
from affekt.runtime.devices import CPU, check_in_use, providers_of

Floats = npt.NDArray[np.float32]

LOWEST_RUNTIME = "1.20"
"""Lowest version of onnxruntime that runs every graph of `affekt export`; pyproject.toml asks for
no other."""

MAX_DEFAULT_THREADS = 4
"""More threads than this rarely make a model of this size faster."""


def default_threads() -> int:
    """Return how many threads a model uses by default: the cores of this process, four at most."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(MAX_DEFAULT_THREADS, cores or 1))


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
) -> dict[str, Floats]:
    """Run a graph; return its outputs by name.

    Raises
    ------
    ModelError
        If the graph fails.
    """
    from onnxruntime.capi import onnxruntime_pybind11_state as engine

    try:
        found = session.run(list(outputs), dict(inputs))
    except (engine.RuntimeException, engine.Fail, engine.InvalidArgument) as error:
        raise ModelError(f"{path} failed on its input: {_first_line(error)}") from None
    return dict(zip(outputs, found, strict=True))


def known_outputs(names: Collection[str]) -> tuple[str, ...]:
    """Return which of a graph's outputs are one number that an answer has a field for."""
    return tuple(name for name in OUTPUTS if name in names)


def numbers_of(outputs: Mapping[str, Floats], index: int) -> dict[str, Any]:
    """Return, of one row of a graph's outputs, the numbers that an answer has a field for."""
    return {name: float(outputs[name][index]) for name in known_outputs(outputs)}


def open_session(path: Path, threads: int, device: str = CPU) -> Any:
    """Load an ONNX file.

    Raises
    ------
    ModelError
        If it is damaged, the installed onnxruntime cannot run it, or the device cannot be used.
    """
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as engine

    providers, options = providers_of(device), _session_options(threads)
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
        if "bad_alloc" in reason:
            raise _no_memory(path) from None
        if isinstance(error, engine.NotImplemented) or _TOO_NEW.search(str(error)):
            raise ModelError(_not_supported(path, onnxruntime.__version__, reason)) from None
        raise ModelError(
            f"{path} cannot be loaded, it is damaged or unreadable ({reason}): "
            f"fetch or export the model again"
        ) from None
    except (RuntimeError, MemoryError):  # its threads cannot be started
        raise _no_memory(path) from None
    check_in_use(device, session.get_providers())
    return session


def _no_memory(path: Path) -> ModelError:
    return ModelError(f"{path} cannot be loaded: there is not enough memory; close other programs")


def _session_options(threads: int) -> Any:
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
