"""Time lines as an ELAN annotation file: tiers of emotions, confidence and warnings.

Each speaker has such tiers, as their participant. The quality of the recording, its warnings, and
what is said of each speaker are properties of the header, which ELAN keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from mimetypes import guess_type
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from affekt.formats.text import notes, one_line, speaker_notes, tier_texts, tiers_of
from affekt.results import Track

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the document of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        yield from _document(track)


def _document(track: Track) -> Iterator[str]:
    groups = tiers_of(track)
    times = sorted({time for group in groups.values() for a, b, _ in group for time in (a, b)})
    slots = {time: f"ts{number}" for number, time in enumerate(times, start=1)}
    tiers: list[tuple[str, str, list[tuple[str, str, str]]]] = []
    for speaker, segments in groups.items():
        for name, words in tier_texts(segments).items():
            rows = zip(segments, words, strict=True)
            marks = [(slots[a], slots[b], text) for (a, b, _), text in rows if text]
            tiers.append((f"{name} {speaker}".strip(), speaker, marks))
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<ANNOTATION_DOCUMENT AUTHOR="affekt" FORMAT="3.0" '
        f'DATE="{datetime.now(timezone.utc).isoformat(timespec="seconds")}" '
        'VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:noNamespaceSchemaLocation="{SCHEMA}">'
    )
    yield from _header(track, sum(len(marks) for _, _, marks in tiers))
    yield "  <TIME_ORDER>"
    for time, slot in slots.items():
        yield f'    <TIME_SLOT TIME_SLOT_ID="{slot}" TIME_VALUE="{time}"/>'
    yield "  </TIME_ORDER>"
    number = 0
    for tier, speaker, marks in tiers:
        who = f"PARTICIPANT={quoteattr(_clean(speaker))} " if speaker else ""
        name = quoteattr(_clean(tier))
        yield f'  <TIER LINGUISTIC_TYPE_REF="default-lt" {who}TIER_ID={name}>'
        for start, end, text in marks:
            number += 1
            yield from _annotation(number, start, end, text)
        yield "  </TIER>"
    yield (
        '  <LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="default-lt" '
        'TIME_ALIGNABLE="true"/>'
    )
    yield "</ANNOTATION_DOCUMENT>"


def _header(track: Track, last: int) -> Iterator[str]:
    path = Path(track.file)
    kind = guess_type(path.name)[0] or "audio/x-wav"
    yield '  <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">'
    if track.file != "-":
        address = quoteattr(path.absolute().as_uri())
        yield (
            f"    <MEDIA_DESCRIPTOR MEDIA_URL={address} MIME_TYPE={quoteattr(kind)} "
            f"RELATIVE_MEDIA_URL={quoteattr('./' + _clean(path.name))}/>"
        )
    for note in (*notes(track), *speaker_notes(track)):
        name, _, words = note.partition(": ")
        yield f"    <PROPERTY NAME={quoteattr(name)}>{escape(_clean(words))}</PROPERTY>"
    yield f'    <PROPERTY NAME="lastUsedAnnotationId">{last}</PROPERTY>'
    yield "  </HEADER>"


def _annotation(number: int, start: str, end: str, text: str) -> Iterator[str]:
    yield "    <ANNOTATION>"
    yield (
        f'      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
        f'TIME_SLOT_REF1="{start}" TIME_SLOT_REF2="{end}">'
    )
    yield f"        <ANNOTATION_VALUE>{escape(_clean(text))}</ANNOTATION_VALUE>"
    yield "      </ALIGNABLE_ANNOTATION>"
    yield "    </ANNOTATION>"


def _clean(words: str) -> str:
    """Leave out what XML cannot hold: control characters and halves of surrogate pairs."""
    return one_line(words).encode("utf-8", "replace").decode("utf-8")
