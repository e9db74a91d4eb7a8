"""Time lines as an ELAN annotation file: tiers of emotions, confidence and warnings.

The quality of the recording and its warnings are properties of the header, which ELAN keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from mimetypes import guess_type
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from affekt.formats.text import extra_tiers, joined, notes, one_line, placed
from affekt.results import Track

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield the document of a recording; one file holds one recording."""
    del labels
    for track in tracks:
        yield from _document(track)


def _document(track: Track) -> Iterator[str]:
    segments = placed(track)
    texts = {
        "emotion": [segment.label for _, _, segment in segments],
        "confidence": [f"{segment.confidence:.4f}" for _, _, segment in segments],
        **extra_tiers(track),
        "warnings": [joined(segment.warnings) for _, _, segment in segments],
    }
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield (
        '<ANNOTATION_DOCUMENT AUTHOR="affekt" FORMAT="3.0" '
        f'DATE="{datetime.now(timezone.utc).isoformat(timespec="seconds")}" '
        'VERSION="3.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:noNamespaceSchemaLocation="{SCHEMA}">'
    )
    yield from _header(track, len(texts) * len(segments))
    yield "  <TIME_ORDER>"
    for index, (start, end, _) in enumerate(segments):
        yield f'    <TIME_SLOT TIME_SLOT_ID="ts{2 * index + 1}" TIME_VALUE="{start}"/>'
        yield f'    <TIME_SLOT TIME_SLOT_ID="ts{2 * index + 2}" TIME_VALUE="{end}"/>'
    yield "  </TIME_ORDER>"
    number = 0
    for tier, words in texts.items():
        yield f'  <TIER LINGUISTIC_TYPE_REF="default-lt" TIER_ID="{tier}">'
        for index, text in enumerate(words):
            if text:
                number += 1
                yield from _annotation(number, index, text)
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
    for note in notes(track):
        name, _, words = note.partition(": ")
        yield f"    <PROPERTY NAME={quoteattr(name)}>{escape(_clean(words))}</PROPERTY>"
    yield f'    <PROPERTY NAME="lastUsedAnnotationId">{last}</PROPERTY>'
    yield "  </HEADER>"


def _annotation(number: int, index: int, text: str) -> Iterator[str]:
    yield "    <ANNOTATION>"
    yield (
        f'      <ALIGNABLE_ANNOTATION ANNOTATION_ID="a{number}" '
        f'TIME_SLOT_REF1="ts{2 * index + 1}" TIME_SLOT_REF2="ts{2 * index + 2}">'
    )
    yield f"        <ANNOTATION_VALUE>{escape(_clean(text))}</ANNOTATION_VALUE>"
    yield "      </ALIGNABLE_ANNOTATION>"
    yield "    </ANNOTATION>"


def _clean(words: str) -> str:
    """Leave out what XML cannot hold: control characters and halves of surrogate pairs."""
    return one_line(words).encode("utf-8", "replace").decode("utf-8")
