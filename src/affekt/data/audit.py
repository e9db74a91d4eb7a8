"""Look for what spoils a data set before a model is trained on it.

Every clip is decoded once. It finds audible faults (silence, clipping, broken files), labels that
raters did not choose, and what listening does not show (the same audio twice,
perhaps under two labels or on both sides of a split) becomes a list of findings.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from affekt.data.corpora import CORPORA
from affekt.data.manifest import Clip
from affekt.data.progress import Progress, no_progress
from affekt.data.splits import leaking_speakers
from affekt.errors import AudioError

KINDS = MappingProxyType(
    {
        "speaker-leak": "a speaker on more than one side of the split",
        "audio-leak": "the same audio on more than one side of the split",
        "contradiction": "the same audio under different labels",
        "duplicate": "the same audio more than once",
        "unreadable": "no audio can be decoded",
        "silent": "digital silence or nearly so",
        "short": "too short to carry an emotion",
        "cut-off": "the recording ends before the clip does",
        "clipped": "the loudest passages are cut off at full scale",
        "doubtful": "most listeners chose another emotion",
        "incomplete": "a public corpus lacks some of its clips",
        "no-speaker": "unknown speakers: a leak cannot be excluded",
    }
)
"""Every kind of finding, the gravest first, with what it means."""

LEAKS = ("speaker-leak", "audio-leak")

MIN_DURATION = 0.3  # seconds; the shortest clips of the public corpora last more than 1 s
MAX_CLIPPED_FRACTION = 0.001  # of the samples; a single peak at full scale is no distortion
MIN_AGREEMENT = 0.1  # fraction of the listeners who chose the label

_TOLERANCE = 0.05  # seconds; codecs pad and cut by a few hundredths
_MATCHING_ENVELOPES = 0.95  # correlation of envelopes, from which two clips are compared
_MATCHING_WAVEFORMS = 0.8  # correlation of samples: copies have 0.95 and more, others below 0.4
_ENVELOPE_SIZE = 128  # points
_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes
    ----------
    kind : str
        A key of :data:`KINDS`.
    files : tuple of str
        The recordings concerned; empty where it is about all of them.
    detail : str
        What exactly was found.
    """

    kind: str
    files: tuple[str, ...]
    detail: str


@dataclass(frozen=True)
class AuditReport:
    """All findings about some clips, the gravest kinds first.

    Attributes
    ----------
    clips : int
        How many clips were looked at.
    seconds : float
        How long they are together.
    findings : tuple of Finding
    """

    clips: int
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> bool:
        """Whether a speaker or a recording stands on more than one side of the split."""
        return any(finding.kind in LEAKS for finding in self.findings)

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each kind that occurs."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if kind in found}


@dataclass(frozen=True)
class _Decoded:
    """What one decoded clip leaves behind."""

    clip: Clip
    duration: float  # seconds
    digest: bytes
    envelope: NDArray[np.float32]  # [_ENVELOPE_SIZE], of unit length
    findings: tuple[Finding, ...]


def audit(
    clips: Sequence[Clip],
    *,
    min_duration: float = MIN_DURATION,
    max_clipped_fraction: float = MAX_CLIPPED_FRACTION,
    min_agreement: float = MIN_AGREEMENT,
    progress: Progress = no_progress,
    workers: int = 2,
) -> AuditReport:
    """Look at every clip and at what they are together.

    Parameters
    ----------
    clips : sequence of Clip
        Their ``split`` is checked where it is set.
    min_duration : float
        Shorter clips, in seconds, are reported.
    max_clipped_fraction : float
        Clips with a larger fraction of samples at full scale are reported.
    min_agreement : float
        Clips whose label fewer listeners chose, as a fraction, while most of them agreed on
        another, are reported. Needs rater votes or recognition rates.
    progress : Progress
        Called for every clip.
    workers : int
        Clips decoded at the same time.
    """
    clips = list(clips)

    def decode_clip(clip: Clip) -> _Decoded | Finding:
        return _hear(clip, min_duration, max_clipped_fraction)

    with progress("Listening", len(clips)) as advance:
        results = list(_counted(decode_clip, clips, workers, advance))
    decoded = [result for result in results if isinstance(result, _Decoded)]
    findings = [result for result in results if isinstance(result, Finding)]
    findings += [finding for one in decoded for finding in one.findings]
    findings += [*_find_repeats(decoded), *_find_leaking_speakers(clips)]
    findings += [*_find_doubts(clips, min_agreement), *_find_gaps(clips)]
    rank = {kind: place for place, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: (rank[finding.kind], finding.files))
    return AuditReport(len(clips), sum(one.duration for one in decoded), tuple(findings))


def _counted(
    function: Callable[[Clip], _Decoded | Finding],
    clips: Sequence[Clip],
    workers: int,
    advance: Callable[[float], None],
) -> Iterator[_Decoded | Finding]:
    """Yield the result for each clip, in order; an interruption drops what has not begun."""
    pool = ThreadPoolExecutor(workers)
    try:
        for result in pool.map(function, clips):
            advance(1)
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def clip_samples(clip: Clip) -> tuple[NDArray[np.float32], int]:
    """Return the samples of a clip at the recording's own rate.

    Returns
    -------
    samples : np.ndarray [shape=(samples, channels)]
    rate : int
        Samples per second, in Hz.

    Raises
    ------
    AudioError
        If the file cannot be decoded, or the clip lies behind its end.
    """
    from affekt.audio import decode

    samples, rate = decode(clip.file)
    if clip.start is None and clip.end is None:
        return samples, rate
    first = round((clip.start or 0.0) * rate)
    last = len(samples) if clip.end is None else round(clip.end * rate)
    if first >= min(last, len(samples)):
        raise AudioError(
            f"{clip.file} lasts {len(samples) / rate:.2f} s: nothing of it is between "
            f"{first / rate:g} and {last / rate:g} s"
        )
    return samples[first:last], rate


def _hear(clip: Clip, min_duration: float, max_clipped_fraction: float) -> _Decoded | Finding:
    from affekt.audio import check_audio

    file = _name(clip)
    try:
        samples, rate = clip_samples(clip)
    except AudioError as error:
        return Finding("unreadable", (file,), str(error))
    quality = check_audio(samples, rate)
    mono = samples.mean(axis=1)  # [samples]
    findings = []
    if quality.silent:
        findings.append(Finding("silent", (file,), f"peak {quality.peak_dbfs:.0f} dBFS"))
    if clip.end is not None and (clip.start or 0.0) + quality.duration < clip.end - _TOLERANCE:
        wanted = clip.end - (clip.start or 0.0)
        detail = f"{quality.duration:.3f} of {wanted:.3f} s are there"
        findings.append(Finding("cut-off", (file,), detail))
    if quality.duration < min_duration:
        findings.append(Finding("short", (file,), f"{quality.duration:.3f} s"))
    if quality.clipped_fraction > max_clipped_fraction:
        detail = f"{quality.clipped_fraction:.2%} of the samples at full scale"
        findings.append(Finding("clipped", (file,), detail))
    digest = hashlib.blake2b(f"{rate}".encode())
    digest.update(np.round(mono * 32768).astype(np.int32).tobytes())
    return _Decoded(clip, quality.duration, digest.digest(), _envelope(mono), tuple(findings))


def _name(clip: Clip) -> str:
    return str(clip.file) if clip.start is None else f"{clip.file} from {clip.start:g} s"


def _envelope(mono: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the course of the amplitude over the clip, free of its mean and size.

    Amplitude, not decibels: lossy compression changes what is faint. All zeros if silent.
    """
    edges = np.linspace(0, len(mono), _ENVELOPE_SIZE + 1).astype(int)
    energy = np.cumsum(np.concatenate(([0.0], np.square(mono, dtype=np.float64))))
    means = np.diff(energy[edges]) / np.maximum(np.diff(edges), 1)
    amplitude = np.sqrt(np.maximum(means, 0.0))
    amplitude -= amplitude.mean()
    size = np.linalg.norm(amplitude)
    return np.asarray(amplitude / size if size > 0 else amplitude, dtype=np.float32)


def _find_repeats(decoded: Sequence[_Decoded]) -> Iterator[Finding]:
    """Report the same audio, first sample by sample, then as lossy copies of each other."""
    groups: dict[bytes, list[_Decoded]] = {}
    for one in decoded:
        if not any(finding.kind == "silent" for finding in one.findings):
            groups.setdefault(one.digest, []).append(one)
    for group in groups.values():
        if len(group) > 1:
            yield _repeat([one.clip for one in group], "identical samples")
    different = [group[0] for group in groups.values()]
    for first, second, likeness in _lossy_copies(different):
        yield _repeat([first.clip, second.clip], f"waveforms correlate at {likeness:.3f}")


def _repeat(clips: Sequence[Clip], how: str) -> Finding:
    labels = sorted({clip.emotion for clip in clips})
    sides = sorted({clip.split for clip in clips} - {""})
    files = tuple(_name(clip) for clip in clips)
    if len(sides) > 1:
        return Finding("audio-leak", files, f"{how}, in {' and '.join(sides)}")
    if len(labels) > 1:
        return Finding("contradiction", files, f"{how}, labelled {' and '.join(labels)}")
    return Finding("duplicate", files, how)


def _lossy_copies(decoded: Sequence[_Decoded]) -> Iterator[tuple[_Decoded, _Decoded, float]]:
    """Yield pairs that are one recording in two encodings.

    Clips of nearly equal length and course of amplitude are rare; only they are decoded again.
    """
    order = sorted(decoded, key=lambda one: one.duration)
    durations = np.array([one.duration for one in order])
    envelopes = np.stack([one.envelope for one in order]) if order else np.zeros((0, 1))
    for start in range(0, len(order), _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, len(order)))
        longest = durations[rows[-1]] * 1.02 + _TOLERANCE
        stop = int(np.searchsorted(durations, longest, side="right"))
        likeness = envelopes[rows] @ envelopes[start:stop].T
        for row, column in np.argwhere(likeness > _MATCHING_ENVELOPES):
            one, other = order[start + row], order[start + column]
            near = other.duration <= one.duration * 1.02 + _TOLERANCE
            if column > row and near:
                likeness_of_samples = _correlation(one.clip, other.clip)
                if likeness_of_samples > _MATCHING_WAVEFORMS:
                    yield one, other, likeness_of_samples


def _correlation(one: Clip, other: Clip) -> float:
    """Return the largest correlation of two clips' waveforms over all shifts, from 0 to 1."""
    from affekt.audio import resample

    waves = []
    for clip in (one, other):
        samples, rate = clip_samples(clip)
        waves.append(resample(samples.mean(axis=1), rate, 8000).astype(np.float64))
    size = 1 << (len(waves[0]) + len(waves[1])).bit_length()
    spectra = [np.fft.rfft(wave, size) for wave in waves]
    correlation = np.fft.irfft(spectra[0] * spectra[1].conj(), size)
    scale = float(np.linalg.norm(waves[0]) * np.linalg.norm(waves[1]))
    return float(np.abs(correlation).max()) / scale if scale > 0 else 0.0


def _find_leaking_speakers(clips: Sequence[Clip]) -> Iterator[Finding]:
    for speaker, sides in leaking_speakers(clips).items():
        detail = f"speaker {speaker} is in {' and '.join(sorted(sides))}"
        yield Finding("speaker-leak", (), detail)
    if any(clip.split for clip in clips):
        unknown = sum(1 for clip in clips if clip.split and not clip.speaker)
        if unknown:
            detail = f"{unknown} of {len(clips)} clips have no speaker"
            yield Finding("no-speaker", (), detail)


def _find_doubts(clips: Iterable[Clip], min_agreement: float) -> Iterator[Finding]:
    for clip in clips:
        if clip.agreement is None or clip.agreement >= min_agreement:
            continue
        detail = f"{clip.agreement:.0%} of the listeners chose {clip.emotion}"
        if clip.votes:
            winner, share = max(clip.votes.items(), key=lambda vote: vote[1])
            if share <= 0.5 or winner == clip.emotion:
                continue  # the listeners disagreed among themselves: hard, but not mislabelled
            detail += f", {share:.0%} {winner}"
        yield Finding("doubtful", (_name(clip),), detail)


def _find_gaps(clips: Iterable[Clip]) -> Iterator[Finding]:
    present = Counter(clip.corpus for clip in clips if clip.corpus in CORPORA)
    for name, count in sorted(present.items()):
        if count < CORPORA[name].clips:
            yield Finding("incomplete", (), f"{count} of {CORPORA[name].clips} clips of {name}")
