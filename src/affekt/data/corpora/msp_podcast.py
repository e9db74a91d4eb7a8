"""MSP-Podcast: turns of podcasts, spoken as people speak, rated by five or more people.

Lotfian and Busso, "Building Naturalistic Emotionally Balanced Speech Corpus by Retrieving
Emotional Speech from Existing Podcast Recordings", 2019. ``Labels/labels_consensus.csv`` has the
labels, ratings from 1 to 7 and the split; ``Audios`` the recordings. Test1 is the test part; clips
of the other test parts have no split.
"""

from __future__ import annotations

from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, log, rated, read_table, table_in
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "A": "angry",
    "C": "contempt",
    "D": "disgust",
    "F": "fearful",
    "H": "happy",
    "N": "neutral",
    "O": "other",
    "S": "sad",
    "U": "surprised",
    "X": "undecided",  # no emotion has most votes
}
SPLITS = {
    "Train": "train",
    "Development": "validation",
    "Validation": "validation",
    "Test1": "test",
}
_TABLES = ("labels_consensus.csv", "labels_concensus.csv")  # the second in early releases
_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def read(folder: Path) -> list[Clip]:
    """Read all clips of a release that is unpacked in a folder.

    Raises
    ------
    DataError
        If there is no table of labels, or one of its labels or ratings is none of the corpus's.
    """
    files = {file.stem: file for file in audio_files(folder)}
    if not files:
        return []
    table = table_in(folder, "msp_podcast", *_TABLES)
    clips = []
    for name, label, arousal, valence, dominance, speaker, gender, part in read_table(
        table, *_COLUMNS
    ):
        file = files.pop(Path(name).stem, None)
        if file is None:
            continue
        where = f"{table}, {name}"
        if label not in EMOTIONS:
            expected = ", ".join(EMOTIONS)
            raise DataError(f"{where}: unknown label {label!r}: expected one of {expected}")
        clips.append(
            Clip(
                file=file,
                emotion=EMOTIONS[label],
                speaker="" if speaker.lower() == "unknown" else speaker,
                gender=gender.lower() if gender.lower() in ("female", "male") else "",
                language="en",
                corpus="msp_podcast",
                split=SPLITS.get(part, ""),
                valence=rated(valence, 1, 7, where),
                arousal=rated(arousal, 1, 7, where),
                dominance=rated(dominance, 1, 7, where),
            )
        )
    if files:  # those of the hidden test part
        log.warning("msp_podcast: %d recordings have no label, and are left out", len(files))
    return sorted(clips, key=lambda clip: clip.file.stem)


MSP_PODCAST = Corpus(
    name="msp_podcast",
    title="MSP-Podcast (spontaneous English)",
    language="en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=1285,
    clips=62140,  # of release 1.7; later ones have more
    licence="by agreement with its makers, research",
    non_commercial=True,
    homepage="https://www.lab-msp.com/MSP/MSP-Podcast.html",
    downloads=(),
    read=read,
)
