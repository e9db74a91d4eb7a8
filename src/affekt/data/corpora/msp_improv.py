"""MSP-Improv: six pairs of actors improvise around sentences whose words stay the same.

Busso et al., "MSP-IMPROV: An Acted Corpus of Dyadic Interactions to Study Emotion Perception",
2017. ``Evalution.txt`` (so it is spelled) has labels and ratings from 1 to 5. Activation is rated
from 1, very active, to 5: it is turned round here.
"""

from __future__ import annotations

import re
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, rated, read_text, table_in
from affekt.data.manifest import Clip
from affekt.errors import DataError

EMOTIONS = {
    "A": "angry",
    "H": "happy",
    "N": "neutral",
    "O": "other",
    "S": "sad",
    "X": "undecided",  # no emotion has most votes
}
_TABLES = ("Evalution.txt", "Evaluation.txt")
_TURN = re.compile(
    r"UTD-(?P<name>IMPROV-S\d\d[AHNS]-(?P<speaker>(?P<gender>[FM])\d\d)-[PRST]-\w+)\.avi;\s*(?P<emotion>\w)"
    r"\s*;\s*A:(?P<arousal>[^;]+);\s*V:(?P<valence>[^;]+);\s*D:(?P<dominance>[^;]+);.*"
)


def read(folder: Path) -> list[Clip]:
    """Read all turns of a release that is unpacked in a folder.

    Raises
    ------
    DataError
        If there is no table of labels, it lacks a recording, or a label or a rating is none of
        the corpus's.
    """
    files = {file.stem: file for file in audio_files(folder) if file.stem.startswith("MSP-IMPROV-")}
    if not files:
        return []
    table = table_in(folder, "msp_improv", *_TABLES)
    clips = []
    for line in read_text(table).splitlines():
        if not line.startswith("UTD-IMPROV-"):
            continue  # what one rater said
        turn = _TURN.match(line)
        if turn is None or turn["emotion"] not in EMOTIONS:
            raise DataError(f"{table}: {line!r} is no turn with its label and ratings")
        file = files.pop(f"MSP-{turn['name']}", None)
        if file is None:
            continue
        where = f"{table}, {turn['name']}"
        clips.append(
            Clip(
                file=file,
                emotion=EMOTIONS[turn["emotion"]],
                speaker=turn["speaker"],
                gender={"F": "female", "M": "male"}[turn["gender"]],
                language="en",
                corpus="msp_improv",
                valence=rated(turn["valence"], 1, 5, where),
                arousal=rated(turn["arousal"], 5, 1, where),
                dominance=rated(turn["dominance"], 1, 5, where),
            )
        )
    if files:
        raise DataError(
            f"msp_improv: {table} has no label for {len(files)} recordings, the first is "
            f"{min(files)}"
        )
    return sorted(clips, key=lambda clip: clip.file.stem)


MSP_IMPROV = Corpus(
    name="msp_improv",
    title="MSP-Improv (improvised English dialogues)",
    language="en",
    emotions=tuple(sorted(EMOTIONS.values())),
    speakers=12,
    clips=8438,
    licence="by agreement with its makers, research",
    non_commercial=True,
    homepage="https://www.lab-msp.com/MSP/MSP-Improv.html",
    downloads=(),
    read=read,
)
