"""openSMILE's feature sets, where the user has installed it.

openSMILE is free for private and academic use, and needs a paid licence for any other. affekt
neither ships nor needs it: ``pip install 'affekt[opensmile]'`` is the user's own choice.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

import numpy as np

from affekt.errors import MissingExtraError
from affekt.features.frames import Floats

OPENSMILE_SETS: Mapping[str, str] = MappingProxyType(
    {"egemaps": "eGeMAPSv02", "compare": "ComParE_2016"}
)
"""What ``sets`` takes, and openSMILE's own name for it."""

LICENCE = (
    "openSMILE is free for private and academic use only; commercial use needs a licence "
    "from audEERING"
)

HOP = 0.01
"""Seconds from one frame of openSMILE to the next."""


def opensmile_names(name: str, per: str) -> list[str]:
    """Return openSMILE's own names of the columns of one of `OPENSMILE_SETS`.

    Raises
    ------
    MissingExtraError
        If openSMILE is not installed.
    """
    return [str(column) for column in _smile(name, per).feature_names]


def opensmile_features(samples: Floats, sample_rate: int, name: str, per: str) -> np.ndarray:
    """Return the functionals of a clip, or its low-level descriptors per frame.

    Parameters
    ----------
    samples : np.ndarray [shape=(samples,)]
    sample_rate : int
        Hz.
    name : str
        One of `OPENSMILE_SETS`.
    per : str
        ``"file"`` (functionals) or ``"frame"`` (low-level descriptors, every 10 ms).

    Returns
    -------
    np.ndarray [shape=(rows, columns), float64]
        One row per file; NaN where the clip is too short for openSMILE.

    Raises
    ------
    MissingExtraError
        If openSMILE is not installed.
    """
    with warnings.catch_warnings():
        # "Segment too short, filling with NaN": that is the rule here, and no surprise.
        warnings.simplefilter("ignore", UserWarning)
        frame = _smile(name, per).process_signal(samples, sample_rate)
    return np.asarray(frame.to_numpy(dtype=np.float64))


@lru_cache(maxsize=4)
def _smile(name: str, per: str) -> Any:
    try:
        opensmile = import_module("opensmile")
    except ImportError:
        raise MissingExtraError("opensmile", "opensmile") from None
    level = "Functionals" if per == "file" else "LowLevelDescriptors"
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[OPENSMILE_SETS[name]],
        feature_level=opensmile.FeatureLevel[level],
    )
