"""What an export has kept of its network: answers, quality, size and speed, measured before use."""

from __future__ import annotations

import hashlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from affekt.evaluation.metrics import uar
from affekt.export.check.recordings import PROTOCOL, UnheardSpeech, speech_like
from affekt.export.graph.onnx import voice_like
from affekt.runtime import stored_answers
from affekt.runtime.devices import instruction_sets
from affekt.runtime.litert import fill_windows

if TYPE_CHECKING:
    from affekt.export.artefact import Artefact, ExportedGraph, ExportJob
    from affekt.models import Network

Floats = npt.NDArray[np.float32]

LENGTHS = (0.5, 1.0, 3.0, 10.0)  # seconds
STRETCHES = 12  # of each length
_ROUNDS = 15  # of the latency


@dataclass(frozen=True)
class _ParityLimits:
    """How far an export may be from its network.

    Attributes
    ----------
    max_difference : float
        Of any probability.
    label_agreement : float
        Share of the test clips that must get the same label.
    uar_loss : float
        UAR that may be lost on the test clips, from 0 to 1.
    """

    max_difference: float
    label_agreement: float
    uar_loss: float


LIMITS: Mapping[str, _ParityLimits] = {
    "fp32": _ParityLimits(max_difference=1e-4, label_agreement=1.0, uar_loss=0.0),
    "fp16": _ParityLimits(max_difference=0.05, label_agreement=0.99, uar_loss=0.005),
    "int8": _ParityLimits(max_difference=1.0, label_agreement=0.95, uar_loss=0.01),
}


def measure(
    job: ExportJob,
    artefact: Artefact,
    folder: Path,
    speech: UnheardSpeech | None,
    reference: Reference | None = None,
) -> dict[str, Any]:
    """Compare an export with its network, and time it on one thread.

    Parameters
    ----------
    job : ExportJob
    artefact : Artefact
    folder : Path
        Where its files are.
    speech : UnheardSpeech or None
        Unheard speakers; without them UAR is not measured, and made-up voices are compared.
    reference : Reference, optional
        The network, where it has answered before for the same window.

    Returns
    -------
    dict
        Ready for JSON.
    """
    report: dict[str, Any] = {
        "graph": artefact.graph,
        "graph_bytes": (folder / artefact.graph).stat().st_size,
        "bytes": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        "runtime": artefact.runtime,
        "reference": f"torch {torch.__version__}",
        "machine": platform.machine(),
        "instructions": list(instruction_sets()),
        "window": artefact.window and artefact.window / job.config["sample_rate"],
        "limits": vars(LIMITS[job.precision.split("-")[0]]),
        **artefact.metadata,
    }
    if artefact.load is None:
        return {**report, "not_run": artefact.not_run}
    started = artefact.clock()
    graph = artefact.load(folder, 1)
    report["load_ms"] = round(1000 * (artefact.clock() - started), 2)
    reference = reference or Reference(job.network, artefact.window)
    rate = job.config["sample_rate"]
    report["lengths"] = [_at_length(reference, graph, speech, s, rate) for s in LENGTHS]
    report["speech"] = _on_speech(reference, graph, speech) if speech else None
    report[stored_answers.KEY] = stored_answers.answers(graph, rate)
    report["latency_ms"] = latency_ms(graph, rate, artefact.clock)
    return report


class Reference:
    """The network in torch, as an export should answer; it caches its answers.

    Parameters
    ----------
    network : Network
    window : int, optional
        Samples of a fixed window: then recordings are cut and filled as the export does it, and
        the probabilities of their windows averaged.
    """

    def __init__(self, network: Network, window: int | None = None) -> None:
        self.network, self.window = network.eval(), window
        self._known: dict[tuple[bytes, bool], Floats] = {}

    def __call__(self, waveforms: Floats, *, whole: bool = False) -> Floats:
        """Probabilities ``[batch, classes]`` of ``[batch, samples]``."""
        key = hashlib.sha256(waveforms.tobytes()).digest(), whole
        if key not in self._known:
            self._known[key] = self._answer(waveforms, whole)
        return self._known[key]

    @torch.inference_mode()
    def _answer(self, waveforms: Floats, whole: bool) -> Floats:
        if self.window is None or whole:
            found: Floats = self._probabilities(waveforms)
            return found
        cut = fill_windows(waveforms, self.window)  # [batch, windows, samples]
        flat = self._probabilities(cut.reshape(-1, self.window))
        return np.asarray(flat.reshape(*cut.shape[:2], -1).mean(axis=1))

    def _probabilities(self, waveforms: Floats) -> Floats:
        found: Floats = self.network(torch.from_numpy(waveforms))["probabilities"].numpy()
        return found


def _at_length(
    reference: Reference,
    graph: ExportedGraph,
    speech: UnheardSpeech | None,
    seconds: float,
    rate: int,
) -> dict[str, Any]:
    """Agreement at one length, in a batch of many."""
    waveforms = speech_like(speech, seconds, STRETCHES, rate)
    found = graph.run(waveforms)["probabilities"]
    return {"seconds": seconds, **_agreement(found, reference(waveforms))}


def _on_speech(reference: Reference, graph: ExportedGraph, speech: UnheardSpeech) -> dict[str, Any]:
    """Agreement and UAR on clips of unheard speakers, each as long as it is."""
    found = np.concatenate(
        [graph.run(waveform[None])["probabilities"] for waveform in speech.waveforms]
    )
    expected = np.concatenate([reference(waveform[None]) for waveform in speech.waveforms])
    scores = {"uar": found, "uar_reference": expected}
    if reference.window is not None:
        clips = [reference(waveform[None], whole=True) for waveform in speech.waveforms]
        scores["uar_whole"] = np.concatenate(clips)
    n_classes = found.shape[1]
    return {
        "protocol": f"{PROTOCOL}, test speakers",
        "clips": len(speech.targets),
        "speakers": speech.speakers,
        **_agreement(found, expected),
        **{
            name: round(uar(speech.targets, scored.argmax(axis=1), n_classes), 4)
            for name, scored in scores.items()
        },
    }


def _agreement(found: Floats, expected: Floats) -> dict[str, float]:
    difference = np.abs(found - expected)
    return {
        "max_difference": _digits(difference.max()),
        "mean_difference": _digits(difference.mean()),
        "label_agreement": _digits((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
    }


def latency_ms(
    graph: ExportedGraph, sample_rate: int, clock: Callable[[], float] = time.process_time
) -> float:
    """Median time in ms of a recording of 3 s, after one that warms up."""
    waveform = voice_like((1, 3 * sample_rate), sample_rate, np.random.default_rng(0))
    graph.run(waveform)
    times = []
    for _ in range(_ROUNDS):
        started = clock()
        graph.run(waveform)
        times.append(1000 * (clock() - started))
    return round(statistics.median(times), 3)


def card_section(report: Mapping[str, Any]) -> str:
    """The report as a section of the model card."""
    lines = [
        "",
        "## This export",
        "",
        f"`--to {report['target']}` in {report['precision']}, {report['bytes']:,} bytes, beside "
        f"the network it comes from ({report['reference']}). All figures are in `parity.json`.",
        "",
    ]
    if "not_run" in report:
        return "\n".join([*lines, f"Not run: {report['not_run']}.", ""])
    lines += [
        "| speech | largest difference | mean difference | same label | UAR | of the network |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    if speech := report["speech"]:
        name = f"{speech['clips']} clips, {speech['protocol']}"
        scores = f"{speech['uar']:.1%} | {speech['uar_reference']:.1%}"
        lines.append(f"| {name} | {_differences(speech)} | {scores} |")
    for row in report["lengths"]:
        lines.append(f"| {STRETCHES} of {row['seconds']:g} s | {_differences(row)} | | |")
    lines += [
        "",
        f"{report['runtime']}, one thread of a processor with {_instructions(report)}: loads in "
        f"{report['load_ms']:.0f} ms, answers for 3 s of sound in {report['latency_ms']:.1f} ms.",
        "",
    ]
    return "\n".join(lines)


def _instructions(report: Mapping[str, Any]) -> str:
    return ", ".join(report["instructions"]) or str(report["machine"])


def _differences(row: Mapping[str, Any]) -> str:
    return (
        f"{row['max_difference']:.1e} | {row['mean_difference']:.1e} | {row['label_agreement']:.1%}"
    )


def beyond_limits(report: Mapping[str, Any]) -> list[str]:
    """In words, the limits that an export breaks."""
    if "not_run" in report:
        return []
    limits, rows = report["limits"], list(report["lengths"])
    speech = report["speech"]
    if speech:
        rows.append(speech)
    largest = max(row["max_difference"] for row in rows)
    agreement = speech["label_agreement"] if speech else min(r["label_agreement"] for r in rows)
    broken = []
    if not largest <= limits["max_difference"]:
        allowed = limits["max_difference"]
        broken.append(f"a probability differs by {largest:.2g}, allowed is {allowed:g}")
    if not agreement >= limits["label_agreement"]:
        needed = limits["label_agreement"]
        broken.append(f"{agreement:.1%} of the labels agree, {needed:.0%} are needed")
    if speech and not speech["uar_reference"] - speech["uar"] <= limits["uar_loss"] + 1e-9:
        broken.append(
            f"UAR falls from {speech['uar_reference']:.1%} to {speech['uar']:.1%}, "
            f"allowed are {100 * limits['uar_loss']:.1f} points"
        )
    return broken


def _digits(value: float) -> float:
    """The four digits that a report needs."""
    return float(f"{value:.4g}")
