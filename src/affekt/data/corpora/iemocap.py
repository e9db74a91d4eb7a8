"""IEMOCAP: two actors talk, five sessions; every turn is rated by three or more people.

Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture database", 2008. Labels and
ratings from 1 to 5 stand in ``SessionN/dialog/EmoEvaluation/*.txt``, the turns themselves in
``SessionN/sentences/wav``. Excitement counts as happiness, as in nearly all work on this corpus.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from affekt.data.corpora.base import Corpus, audio_files, rated, read_text
from affekt.data.manifest import Clip
from affekt.errors import DataError
from affekt.labels import canonical

EMOTIONS = {
    "ang": "angry",
    "dis": "disgust",
    "exc": "happy",
    "fea": "fearful",
    "fru": "frustrated",
    "hap": "happy",
    "neu": "neutral",
    "oth": "other",
    "sad": "sad",
    "sur": "surprised",
    "xxx": "undecided",  # no emotion has most votes
}
_HEARD = {"excited": "happy", "frustration": "frustrated", "neutral state": "neutral"}
"""What raters may say beside common words for emotions."""
_TURN = re.compile(
    r"\[[\d.]+ - [\d.]+\]\t(?P<name>(?P<session>Ses\d\d)\w+_(?P<gender>[FM])\w+)\t(?P<emotion>\w+)"
    r"\t\[(?P<valence>[^,]+), (?P<arousal>[^,]+), (?P<dominance>[^\]]+)\]"
)
_VOTE = re.compile(r"C-E\d+:\t(?P<emotions>[^(]*)")  # C-F1 and C-M1 are the actors themselves


def read(folder: Path) -> list[Clip]:
    """Read all turns of a release that is unpacked in a folder.

    Raises
    ------
    DataError
        If a recording of a turn has no label, or a label or a rating is none of the corpus's.
    """
    files = {
        file.stem: file
        for file in audio_files(folder)
        if file.parent.parent.parent.name == "sentences"
    }
    clips: list[Clip] = []
    for path in sorted(folder.rglob("dialog/EmoEvaluation/*.txt")):
        if not path.name.startswith("."):
            clips += _turns(path, files)
    unlabelled = sorted(files.keys() - {clip.file.stem for clip in clips})
    if unlabelled:
        raise DataError(
            f"iemocap: no table in SessionN/dialog/EmoEvaluation of {folder} has a label for "
            f"{len(unlabelled)} recordings, the first is {files[unlabelled[0]].name}"
        )
    return sorted(clips, key=lambda clip: clip.file.stem)


def _turns(path: Path, files: dict[str, Path]) -> Iterator[Clip]:
    """Yield the turns of a dialogue whose recordings are there."""
    blocks = read_text(path).split("\n[")
    for block in blocks[1:]:  # before the first lies the header
        first, *rest = f"[{block}".splitlines()
        turn = _TURN.match(first)
        if turn is None or turn["emotion"] not in EMOTIONS:
            raise DataError(f"{path}: {first!r} is no turn with its label and three ratings")
        if turn["name"] not in files:
            continue
        where = f"{path}, {turn['name']}"
        yield Clip(
            file=files[turn["name"]],
            emotion=EMOTIONS[turn["emotion"]],
            speaker=turn["session"] + turn["gender"],
            gender={"F": "female", "M": "male"}[turn["gender"]],
            language="en",
            corpus="iemocap",
            votes=_votes(rest),
            valence=rated(turn["valence"], 1, 5, where),
            arousal=rated(turn["arousal"], 1, 5, where),
            dominance=rated(turn["dominance"], 1, 5, where),
        )


def _votes(lines: list[str]) -> dict[str, float] | None:
    """Return the share of each emotion; a rater who names two gives each a half."""
    shares: Counter[str] = Counter()
    for line in lines:
        if vote := _VOTE.match(line):
            words = [word.strip().lower() for word in vote["emotions"].split(";")]
            heard = [_HEARD.get(word) or canonical(word) for word in words if word]
            for emotion in heard:
                shares[emotion] += 1 / len(heard)  # type: ignore[assignment]
    total = sum(shares.values())
    return {emotion: share / total for emotion, share in sorted(shares.items())} if total else None


IEMOCAP = Corpus(
    name="iemocap",
    title="IEMOCAP (acted and improvised English dialogues)",
    language="en",
    emotions=tuple(sorted({*EMOTIONS.values()})),
    speakers=10,
    clips=10039,
    licence="by agreement with its makers, research",
    non_commercial=True,
    homepage="https://sail.usc.edu/iemocap",
    downloads=(),
    read=read,
)
