"""What a model learns of the one who speaks, or of the room, without labels.

baseline    the mean of some embeddings, and how far it is trusted
"""

from __future__ import annotations

from affekt.adapt.baseline import Baseline

__all__ = ["Baseline"]
