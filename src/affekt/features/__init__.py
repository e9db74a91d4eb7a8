"""Named acoustic features, for analysis and for classical models.

    samples -> families (mfcc, mel, energy, spectral, ...) -> per frame, or functionals of the clip

>>> import numpy as np
>>> from affekt.features import functional_vector
>>> names, vector = functional_vector(np.zeros(16000, dtype=np.float32), 16000, "tutorial")
>>> len(names), names[0]
(66, 'mfcc_0_mean')
"""

from __future__ import annotations

from affekt.features.extract import VECTORS, functional_vector
from affekt.features.functionals import FUNCTIONALS, PERCENTILES, functionals
from affekt.features.settings import DEFAULT, TUTORIAL, Settings

__all__ = [
    "DEFAULT",
    "FUNCTIONALS",
    "PERCENTILES",
    "TUTORIAL",
    "VECTORS",
    "Settings",
    "functional_vector",
    "functionals",
]
