"""The public corpora that affekt can read, one file each, and the registry of them."""

from __future__ import annotations

import os
from pathlib import Path

from affekt.config import did_you_mean
from affekt.data.corpora.ased import ASED
from affekt.data.corpora.banglaser import BANGLASER
from affekt.data.corpora.banglaser_ext import BANGLASER_EXT
from affekt.data.corpora.base import AUDIO_EXTENSIONS, Corpus, Download, audio_files, log
from affekt.data.corpora.baved import BAVED
from affekt.data.corpora.compact import is_compact
from affekt.data.corpora.cremad import CREMAD
from affekt.data.corpora.emodb import EMODB
from affekt.data.corpora.emogator import EMOGATOR
from affekt.data.corpora.emotale import EMOTALE
from affekt.data.corpora.emotiontts_ko import EMOTIONTTS_KO
from affekt.data.corpora.emouerj import EMOUERJ
from affekt.data.corpora.emozionalmente import EMOZIONALMENTE
from affekt.data.corpora.folder import read_folder
from affekt.data.corpora.iemocap import IEMOCAP
from affekt.data.corpora.indian_emospeech import INDIAN_EMOSPEECH
from affekt.data.corpora.jl_corpus import JL_CORPUS
from affekt.data.corpora.mesd import MESD
from affekt.data.corpora.msp_improv import MSP_IMPROV
from affekt.data.corpora.msp_podcast import MSP_PODCAST
from affekt.data.corpora.ravdess import RAVDESS
from affekt.data.corpora.savee import SAVEE
from affekt.data.corpora.subesco import SUBESCO
from affekt.data.corpora.thorsten_emotional import THORSTEN_EMOTIONAL
from affekt.data.corpora.turev import TUREV
from affekt.data.label_studio import read_label_studio
from affekt.data.manifest import Clip, read_manifest
from affekt.data.root import corpora_root, corpus_folder, data_root
from affekt.errors import DataError
from affekt.labels import OWN_LABELS
from affekt.plugins import Registry

CORPORA: Registry[Corpus] = Registry(
    "affekt.corpora",
    Corpus,
    {
        corpus.name: corpus
        for corpus in (
            *(RAVDESS, EMODB, CREMAD),
            *(EMOZIONALMENTE, SUBESCO, BANGLASER, MESD, EMOUERJ, JL_CORPUS, THORSTEN_EMOTIONAL),
            *(SAVEE, EMOTALE, ASED, EMOTIONTTS_KO, TUREV, INDIAN_EMOSPEECH),
            *(EMOGATOR, BAVED, BANGLASER_EXT),
            *(IEMOCAP, MSP_PODCAST, MSP_IMPROV),
        )
    },
)
"""Short name to corpus."""

__all__ = [
    "AUDIO_EXTENSIONS",
    "CORPORA",
    "Corpus",
    "Download",
    "audio_files",
    "is_whole",
    "load_corpus",
    "read_folder",
]


def load_corpus(
    name: str, root: str | os.PathLike[str] | None = None, *, whole: bool = False
) -> list[Clip]:
    """Read a corpus from its folder.

    A corpus that lacks some of its clips is read with a warning in the log. Clips whose labels
    are uncertain (`Corpus.unsettled`) are left out.

    Parameters
    ----------
    name : str
        A key of :data:`CORPORA`.
    root : path, optional
        See :func:`affekt.data.data_root`.
    whole : bool
        Refuse a corpus that lacks some of its clips, rather than warn of it.

    Returns
    -------
    list of Clip
        In the order of their file names.

    Raises
    ------
    DataError
        If the name is unknown, the corpus is not there, or its files are not as they should be.
    """
    if name not in CORPORA:
        raise DataError(
            f"unknown corpus {name!r}: expected one of {', '.join(sorted(CORPORA))}"
            + did_you_mean(name, CORPORA)
        )
    corpus, folder = CORPORA[name], corpus_folder(name, root)
    if not folder.is_dir():
        raise DataError(
            f"corpus {name} is neither in {data_root(root)} nor in {corpora_root(root)}: "
            f"{_how_to_get(corpus)}, or say where it is with --data, AFFEKT_DATA or AFFEKT_CORPORA"
        )
    clips = corpus.read(folder)
    if not clips:
        raise DataError(f"{folder} holds no clips of {name}: {_how_to_get(corpus)}")
    known = {*corpus.emotions, *OWN_LABELS.get(name, ())}
    if unknown := sorted({clip.emotion for clip in clips} - known):
        raise DataError(
            f"{folder} labels clips {', '.join(unknown)}, which is no label of {name}: it has "
            f"{', '.join(sorted(known))}"
        )
    if not is_whole(corpus, folder, clips):
        if whole:
            raise DataError(
                f"{name} has {len(clips)} clips instead of {corpus.clips} in {folder}, and no "
                f"figure counts on a part of a corpus: {_how_to_get(corpus)}"
            )
        log.warning("%s: only %d of %d clips are in %s", name, len(clips), corpus.clips, folder)
    settled = [clip for clip in clips if clip.emotion not in corpus.unsettled]
    if len(settled) < len(clips):
        labels = " and ".join(corpus.unsettled)
        log.info("%s: left out %d clips labelled %s", name, len(clips) - len(settled), labels)
    return settled


def is_whole(corpus: Corpus, folder: Path, clips: list[Clip]) -> bool:
    """Whether the clips that were read from a folder are all that should be there.

    A copy in the compact layout is whole by its own list, which may leave out clips.
    """
    return is_compact(folder) or len(clips) >= corpus.clips


def _how_to_get(corpus: Corpus) -> str:
    if corpus.downloads:
        return f"get it with 'affekt data get {corpus.name}'"
    return f"get it from {corpus.homepage}"


def open_data(
    source: str | os.PathLike[str], root: str | os.PathLike[str] | None = None
) -> list[Clip]:
    """Return the clips of a corpus, a manifest, or a folder with one sub-folder per emotion.

    Parameters
    ----------
    source : str or path
        The name of a corpus (``"ravdess"``), a manifest (``"clips.csv"``), an export of Label
        Studio (``"labelled.json"``) or a folder. A name wins over a folder that is called the
        same; write ``./ravdess`` for the folder.
    root : path, optional
        Where corpora lie, see :func:`affekt.data.data_root`.

    Raises
    ------
    DataError
        If there is no such source, or it cannot be read.
    """
    if isinstance(source, str) and source in CORPORA:
        return load_corpus(source, root)
    path = Path(source).expanduser()
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_label_studio(path) if path.suffix == ".json" else read_manifest(path)
    raise DataError(
        f"{os.fspath(source)!r} is neither a corpus ({', '.join(sorted(CORPORA))}), "
        f"nor a manifest, nor a folder"
    )
