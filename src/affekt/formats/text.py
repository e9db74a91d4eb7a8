"""What the text formats share: clean words, times, and how a recording is described."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from affekt.errors import AffektError
from affekt.formats.summary import in_words
from affekt.records import fields_of
from affekt.results import AudioQuality, Segment, Track
from affekt.runtime.domain import UNLIKE_LIMIT


def one_line(words: str) -> str:
    """Return text without line breaks, tabs and control characters, each a blank."""
    return " ".join("".join(c if c.isprintable() else " " for c in words).split(" "))


def answer(segment: Segment) -> str:
    """Return what people read of a segment: ``angry 81%``."""
    words = [f"{one_line(segment.label)} {segment.confidence:.0%}"]
    words += (f"{name} {value}" for name, value in segment.extras().items())
    return ", ".join(words)


def spoken(segment: Segment) -> str:
    """Return the same with who speaks before it: ``ANNA: angry 81%``."""
    who = f"{one_line(segment.speaker)}: " if segment.speaker else ""
    return f"{who}{answer(segment)}"


def clock(milliseconds: int, point: str) -> str:
    """Return a time as in subtitles: ``00:01:02,345``; ``point`` is the decimal mark."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{rest:03}"


def placed(track: Track) -> list[tuple[int, int, Segment]]:
    """Return the segments of a track in order, their start and end in whole milliseconds.

    A segment that is shorter than what remains of a millisecond is left out.

    Raises
    ------
    AffektError
        If two overlap though nobody knows who speaks in them.
    """
    found: list[tuple[int, int, Segment]] = []
    reached = 0
    for segment in sorted(track.segments, key=lambda segment: (segment.start, segment.end)):
        start, end = max(0, round(1000 * segment.start)), round(1000 * segment.end)
        if start < reached and not segment.speaker and not track.speakers:
            raise AffektError(
                f"{track.file}: two segments overlap at {segment.start:g} s, and this format "
                f"holds one at a time: write json or csv"
            )
        if end > start:
            found.append((start, end, segment))
            reached = max(reached, end)
    return found


def tiers_of(track: Track) -> dict[str, list[tuple[int, int, Segment]]]:
    """Return the placed segments by who speaks, so that none overlap in a tier.

    Where one speaks over themself, or over somebody else without a name, there are further tiers,
    numbered. A track without speakers is one tier without a name.
    """
    tiers: dict[str, list[tuple[int, int, Segment]]] = {}
    for start, end, segment in placed(track):
        name, number = one_line(segment.speaker), 1
        while (tier := tiers.setdefault(name, [])) and start < tier[-1][1]:
            number += 1
            name = f"{one_line(segment.speaker)} {number}".strip()
        tier.append((start, end, segment))
    return tiers or {"": []}


def _describe_quality(quality: AudioQuality) -> str:
    """Return the measures of a recording in words."""
    parts = [
        f"level {quality.rms_dbfs:.1f} dBFS",
        f"peak {quality.peak_dbfs:.1f} dBFS",
        f"clipped {quality.clipped_fraction:.2%}",
    ]
    if quality.snr_db is not None:
        parts.append(f"SNR {quality.snr_db:.0f} dB")
    if quality.bandwidth_hz is not None:
        parts.append(f"bandwidth {quality.bandwidth_hz:.0f} Hz")
    if quality.held_tones is not None:
        parts.append(f"tones that hold {quality.held_tones:.0%}")
    return ", ".join(parts)


def notes(track: Track) -> Iterator[str]:
    """Yield, as lines, what should be known of a recording: quality, warnings, its error."""
    if track.quality is not None:
        yield f"quality: {_describe_quality(track.quality)}"
    if track.ood_score is not None:
        yield f"out-of-domain score: {track.ood_score:.2f} (limit {UNLIKE_LIMIT:g})"
    for warning in track.warnings:
        yield f"warning: {one_line(warning)}"
    if track.error:
        yield f"error: {one_line(track.error)}"


def speaker_notes(track: Track) -> Iterator[str]:
    """Yield, as lines, what is said of each speaker."""
    for one in track.speakers or ():
        own = [part for part in track.segments if part.speaker == one.speaker]
        adapted = ", by their own baseline" if one.adapted else ""
        yield (
            f"speaker {one_line(one.speaker)}: {in_words(own)} ({one.segments} segments, "
            f"{one.seconds:.1f} s{adapted})"
        )


def warning_kinds(segment: Segment) -> tuple[str, ...]:
    """Return the kinds of the warnings of a segment: their words up to the colon."""
    return tuple(warning.partition(":")[0] for warning in segment.warnings)


def warned(segments: Sequence[tuple[int, int, Segment]]) -> list[tuple[int, int, str]]:
    """Return the warnings of placed segments, once for those that follow each other.

    Warnings are of one kind up to their colon; the words are those of the first.
    """
    found: list[tuple[int, int, str]] = []
    before: tuple[str, ...] = ()
    for start, end, segment in segments:
        kinds = warning_kinds(segment)
        if kinds and kinds == before:
            found[-1] = (found[-1][0], max(end, found[-1][1]), found[-1][2])
        elif kinds:
            found.append((start, end, joined(segment.warnings)))
        before = kinds
    return found


def warned_from(segments: Sequence[tuple[int, int, Segment]]) -> dict[int, str]:
    """Return the same by the time at which they begin."""
    found: dict[int, str] = {}
    for start, _, words in warned(segments):
        found[start] = f"{found[start]}; {words}" if start in found else words
    return found


def tier_texts(segments: Sequence[tuple[int, int, Segment]]) -> dict[str, list[str]]:
    """Return what is written of each placed segment, by the name of the tier.

    Further outputs of models that no segment has are left out.
    """
    tiers = {
        "emotion": [part.label for _, _, part in segments],
        "confidence": [f"{part.confidence:.4f}" for _, _, part in segments],
    }
    for one in fields_of(Segment):
        if one.info.shown and any(getattr(part, one.name) is not None for _, _, part in segments):
            values = [getattr(part, one.name) for _, _, part in segments]
            tiers[one.name] = ["" if value is None else f"{value:.4f}" for value in values]
    tiers["warnings"] = [joined(part.warnings) for _, _, part in segments]
    return tiers


def joined(warnings: Sequence[str]) -> str:
    """Return warnings as one text, as the tables write them."""
    return "; ".join(map(one_line, warnings))
