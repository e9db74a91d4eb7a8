"""What a model learns of one who speaks, of a room, or of labels of one's own; on arrays.

baseline    the mean of some embeddings, and how much of it is taken out
examples    a last layer that learns from a few labelled recordings
selection   which recordings are worth a label next
"""

from __future__ import annotations

from affekt.adapt.baseline import Baseline
from affekt.adapt.selection import select_examples

__all__ = ["Baseline", "select_examples"]
