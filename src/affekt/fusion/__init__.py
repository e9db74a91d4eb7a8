"""Several modalities in one answer: voice, face, text.

pool   log-linear pooling of calibrated probabilities, and weights for it
face   tables of face units (OpenFace, py-feat), and a linear model of them
text   a linear model of English text
"""

from __future__ import annotations

from affekt.fusion.face import FaceModel, FaceTable, fit_face, read_face
from affekt.fusion.pool import fit_weights, fuse, read_scores
from affekt.fusion.text import TextModel, read_words, text_model

__all__ = [
    "FaceModel",
    "FaceTable",
    "TextModel",
    "fit_face",
    "fit_weights",
    "fuse",
    "read_face",
    "read_scores",
    "read_words",
    "text_model",
]
