"""EMO-DB: the Berlin database of emotional speech.

Burkhardt et al., "A database of German emotional speech", Interspeech 2005. Ten actors say ten
German sentences in seven emotions. Files lie in ``wav/`` and are named ``SSTTTEv``: speaker,
text, the emotion's German initial, version. A listening test of 20 people beside it gives, per
clip, the percentage that recognised the emotion.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import (
    Corpus,
    Download,
    audio_files,
    log,
    one_per_name,
    refuse_misnamed,
)
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "W": "angry",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fearful",  # Angst
    "F": "happy",  # Freude
    "T": "sad",  # Trauer
    "N": "neutral",
}
MEN = frozenset({"03", "10", "11", "12", "15"})
WOMEN = frozenset({"08", "09", "13", "14", "16"})

LISTENING_TESTS = ("listener_recognition.txt", "erkennung.txt")
"""Names under which the table of the listening test is handed on."""

_NAME = re.compile(r"(03|08|09|1[0-6])([ab]\d\d)([WLEAFTN])([a-z])")


def read(folder: Path) -> list[Clip]:
    """Read all clips in ``wav/``, or in the folder itself where there is no ``wav/``.

    Raises
    ------
    DataError
        If a recording is not named as above, or the listening test cannot be read.
    """
    inner = folder / "wav"
    rates = _recognition(folder)
    clips, misnamed = [], []
    for file in one_per_name(audio_files(inner if inner.is_dir() else folder), "emodb"):
        match = _NAME.fullmatch(file.stem)
        if match is None:
            misnamed.append(file.name)
            continue
        clips.append(
            Clip(
                file=file,
                emotion=EMOTIONS[match[3]],
                speaker=match[1],
                gender="male" if match[1] in MEN else "female",
                language="de",
                corpus="emodb",
                recognition=rates.get(file.stem),
            )
        )
    refuse_misnamed("emodb", folder, misnamed, "SSTTTEv (as in 03a01Fa)")
    return clips


def _recognition(folder: Path) -> dict[str, float]:
    """Return clip name to the fraction of listeners that recognised its emotion.

    The table is tab-separated, pads its fields with no-break spaces, writes decimals with a
    comma, and lists all 816 clips that were recorded, not only the 535 that were kept.
    """
    table = next((folder / n for n in LISTENING_TESTS if (folder / n).is_file()), None)
    if table is None:
        log.info("emodb: no listening test (%s) in %s", LISTENING_TESTS[0], folder)
        return {}
    raw = table.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    rates = {}
    for number, line in enumerate(text.splitlines()[1:], start=2):
        fields = [field.strip() for field in line.split("\t")]
        if not any(fields):
            continue
        try:
            percent = float(fields[2].replace(",", "."))
        except (IndexError, ValueError):
            percent = -1.0
        if not 0 <= percent <= 100:
            raise DataError(
                f"{table}, row {number}: the third field is not a percentage from 0 to 100"
            )
        rates[fields[1].rsplit(".", 1)[0]] = percent / 100
    return rates


EMODB = Corpus(
    name="emodb",
    title="EMO-DB (Berlin Database of Emotional Speech)",
    language="de",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=10,
    clips=535,
    licence="free from its authors, terms unconfirmed",
    non_commercial=False,
    homepage="http://emodb.bilderbar.info/",
    downloads=(
        Download(
            url="http://emodb.bilderbar.info/download/download.zip",
            path="download.zip",
            archive=True,
        ),
    ),
    read=read,
)
