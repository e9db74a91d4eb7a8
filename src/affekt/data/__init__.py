"""Labelled recordings: corpora, manifests, splits, audits and downloads.

    corpora/, manifest  ->  source (any of them)  ->  splits, audit  ->  training, evaluation

Reading looks at names and tables only; no audio is decoded until somebody asks for it.
"""

from __future__ import annotations

from affekt.data.corpora import CORPORA, Corpus, load_corpus, open_data
from affekt.data.manifest import Clip, read_manifest, write_manifest
from affekt.data.root import data_root

__all__ = [
    "CORPORA",
    "Clip",
    "Corpus",
    "data_root",
    "load_corpus",
    "open_data",
    "read_manifest",
    "write_manifest",
]
