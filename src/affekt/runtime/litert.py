"""Run a LiteRT (TensorFlow Lite) model: ``model.tflite``, with a window of fixed length.

Needs ``ai-edge-litert`` alone. What the file says about itself lies in a zip archive at its end, as
in every model with TensorFlow Lite's metadata.
"""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from affekt.errors import MissingExtraError, ModelError
from affekt.runtime.bundle import CONFIG_FILE, Bundle
from affekt.runtime.config import ModelConfig, parse_config
from affekt.runtime.session import Floats, checked_waveforms, known_outputs

_REQUIRED = ("probabilities", "embedding")


class LiteRtBackend:
    """LiteRT on the CPU.

    A recording is cut into windows that lie end to end, the last one ending where it ends; one
    shorter than the window is filled with silence. The answer is the mean of its windows'.

    Parameters
    ----------
    bundle : Bundle
        Which model.
    threads : int
        Threads within an operator.

    Raises
    ------
    MissingExtraError
        If ``ai-edge-litert`` is not installed.
    ModelError
        If the file cannot be loaded, or is not a model of affekt.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1) -> None:
        self._path = bundle.graph
        self.config = _config(bundle)
        self._interpreter = _open(bundle.graph, threads)
        self._lock = threading.Lock()  # an interpreter has one set of tensors
        inputs = self._interpreter.get_input_details()
        outputs = {port["name"]: port for port in self._interpreter.get_output_details()}
        single = len(inputs) == 1 and len(inputs[0]["shape"]) == 2
        if not single or not set(_REQUIRED) <= set(outputs):
            raise ModelError(
                f"{self._path} is not a model of affekt: expected one input of waveforms, and "
                "probabilities and an embedding as outputs"
            )
        self.window = int(inputs[0]["shape"][1])  # samples
        self._input = inputs[0]["index"]
        self.outputs = (*_REQUIRED, *known_outputs(outputs))
        self._indices = {name: outputs[name]["index"] for name in self.outputs}
        classes = int(outputs["probabilities"]["shape"][-1])
        if classes != len(self.config.labels):
            raise ModelError(
                f"{self._path} answers with {classes} classes, its configuration names "
                f"{len(self.config.labels)}: the two are of different models"
            )

    def run(self, waveforms: Floats) -> dict[str, Floats]:
        """Map waveforms to the outputs of the graph.

        Parameters
        ----------
        waveforms : np.ndarray [shape=(batch, samples)]
            float32, mono, at the model's sample rate.

        Returns
        -------
        dict of str to np.ndarray
            See :meth:`affekt.runtime.backends.Backend.run`; means over the windows of each
            recording.

        Raises
        ------
        ModelError
            If the input has another shape, or the answer is not a number.
        """
        waveforms = checked_waveforms(waveforms, self._path)
        answers = [
            [self._run_window(window) for window in windows]
            for windows in fill_windows(waveforms, self.window)
        ]
        found = {
            name: np.stack([np.mean([row[name] for row in rows], axis=0) for rows in answers])
            for name in self.outputs
        }
        if not np.isfinite(found["probabilities"]).all():
            raise ModelError(f"{self._path} answers with no probabilities: export the model again")
        return found

    def frame_encoder(self) -> None:
        """None: a window has a fixed length and is computed whole."""

    def _run_window(self, window: Floats) -> dict[str, Floats]:
        with self._lock:
            self._interpreter.set_tensor(self._input, window[None])
            self._interpreter.invoke()
            return {
                name: self._interpreter.get_tensor(index)[0].copy()
                for name, index in self._indices.items()
            }


def _open(path: Path, threads: int) -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise MissingExtraError("litert-runtime", "ai_edge_litert") from None
    try:
        interpreter = Interpreter(str(path), num_threads=threads)
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0][:160]
        raise ModelError(f"{path} cannot be loaded, it is damaged ({reason})") from None
    return interpreter


def _config(bundle: Bundle) -> ModelConfig:
    if bundle.config is not None:
        return bundle.config
    try:
        with zipfile.ZipFile(bundle.graph) as archive:
            text = archive.read(CONFIG_FILE).decode("utf-8")
    except (zipfile.BadZipFile, KeyError, UnicodeDecodeError):
        raise ModelError(
            f"{bundle.graph} carries no configuration of affekt: give its model directory, "
            "or export it with `affekt export --to litert`"
        ) from None
    return parse_config(text, f"the metadata of {bundle.graph}")


# --- windows ---


def fill_windows(waveforms: Floats, window: int) -> Floats:
    """Cut recordings into windows that lie end to end; the last one ends where they end.

    A recording shorter than the window is filled with silence at its end, as MediaPipe does it.

    Parameters
    ----------
    waveforms : np.ndarray [shape=(batch, samples)]
    window : int
        Samples.

    Returns
    -------
    np.ndarray [shape=(batch, windows, window)]
        The answer for a recording is the mean of the probabilities of its windows.
    """
    samples = waveforms.shape[1]
    if samples < window:
        return np.pad(waveforms, ((0, 0), (0, window - samples)))[:, None]
    starts = [*range(0, samples - window, window), samples - window]
    return np.stack([waveforms[:, start : start + window] for start in starts], axis=1)
