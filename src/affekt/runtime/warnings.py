"""What makes an answer less sure, in words: the faults of a recording, and how unlike it is.

The limits are explained, with what was measured of them, in `docs/input-quality.md`.
"""

from __future__ import annotations

from collections.abc import Iterator

from affekt.results import AudioQuality
from affekt.runtime.domain import UNLIKE_LIMIT

SHORT_DURATION = 0.5  # seconds; below, listeners too can hardly tell
LONG_DURATION = 30.0  # seconds; above, one answer averages over several feelings
QUIET_RMS_DBFS = -50.0
CLIPPED_FRACTION = 0.001  # of the samples
NOISY_SNR_DB = 0.0  # below, the noise is louder than the voice
MUSIC_TONES = 0.25  # share of the sound in tones that hold their pitch
MUSIC_TONES_UNLIKE = 0.12  # the same where it is unlike speech anyway
NARROW_BANDWIDTH_HZ = 4200.0  # a telephone ends at 3.4 kHz, a rate of 8 kHz at 4 kHz


_CAUSES = "music, noise, or another way of recording"


def ood_warnings(ood_score: float | None) -> tuple[str, ...]:
    """Return in words that an out-of-domain score is above its limit, if it is."""
    if ood_score is None or ood_score <= UNLIKE_LIMIT:
        return ()
    return (f"unlike the speech it was trained on: score {ood_score:.1f}, limit {UNLIKE_LIMIT:g}",)


def describe_warnings(
    quality: AudioQuality, *, whole: bool = True, ood_score: float | None = None
) -> Iterator[str]:
    """Yield in words what makes an answer about a recording of this quality less sure.

    Parameters
    ----------
    quality : AudioQuality
    whole : bool
        Whether one answer stands for all of the recording, so that its length matters.
    ood_score : float, optional
        The out-of-domain score: see `affekt.runtime.domain`.
    """
    strange = ood_score is not None and ood_score > UNLIKE_LIMIT
    tones = quality.held_tones
    if tones is not None and tones > (MUSIC_TONES_UNLIKE if strange else MUSIC_TONES):
        yield f"music: {tones:.0%} of the sound are tones that hold their pitch"
    yield from (f"{warning} ({_CAUSES})" for warning in ood_warnings(ood_score))
    if quality.clipped_fraction > CLIPPED_FRACTION:
        yield f"clipped: {quality.clipped_fraction:.1%} of the samples at full scale"
    if quality.rms_dbfs < QUIET_RMS_DBFS:
        yield f"very quiet: {quality.rms_dbfs:.0f} dBFS"
    if quality.snr_db is not None and quality.snr_db < NOISY_SNR_DB:
        yield f"noisy: the sound stands {quality.snr_db:.0f} dB above the noise"
    if quality.bandwidth_hz is not None and quality.bandwidth_hz < NARROW_BANDWIDTH_HZ:
        top = quality.bandwidth_hz / 1000
        yield f"band-limited: nothing above {top:.1f} kHz, as on a telephone"
    if quality.damaged_packets:
        yield f"damaged: {quality.damaged_packets} packets could not be decoded and are left out"
    if whole and quality.duration < SHORT_DURATION:
        yield f"short: {quality.duration:.2f} s"
    if whole and quality.duration > LONG_DURATION:
        yield f"long: one answer for {quality.duration:.0f} s"
