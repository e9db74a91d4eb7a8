"""Named acoustic features, for analysis and for classical models.

    samples -> families (mfcc, mel, pitch, energy, ...) -> per frame, or functionals of the clip

>>> import numpy as np
>>> from affekt.features import extract
>>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
>>> table = extract(tone, 16000, sets=["energy"])
>>> table.names[:3], round(float(table["rms_db_p50"][0]), 2)
(('duration', 'rms_db_mean', 'rms_db_sd'), -3.01)

Pitch needs the ``features`` extra; importing this package needs numpy alone.
"""

from __future__ import annotations

from affekt.features.columns import (
    FRAME_SETS,
    FUNCTIONALS,
    PERCENTILES,
    SETS,
    column_names,
    functionals,
)
from affekt.features.extract import VECTORS, Table, extract, functional_vector
from affekt.features.opensmile import OPENSMILE_SETS
from affekt.features.settings import DEFAULT, TRACKERS, TUTORIAL, FeatureSettings

__all__ = [
    "DEFAULT",
    "FRAME_SETS",
    "FUNCTIONALS",
    "OPENSMILE_SETS",
    "PERCENTILES",
    "SETS",
    "TRACKERS",
    "TUTORIAL",
    "VECTORS",
    "FeatureSettings",
    "Table",
    "column_names",
    "extract",
    "functional_vector",
    "functionals",
]
