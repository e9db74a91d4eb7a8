"""Baselines in requests and sessions: used for an answer, and kept nowhere."""

from __future__ import annotations

from typing import Any

from affekt.adapt import Baseline
from affekt.errors import DataError, ModelError
from affekt.runtime import Model
from affekt.server.errors import ApiError

FIELD = "baseline"


def read_baseline(given: Any, model: Model) -> Baseline | None:
    """Read the baseline of a request.

    Parameters
    ----------
    given : str, dict or None
        What a file of ``affekt baseline`` holds, as text or parsed.
    model : Model
        That it is for.

    Raises
    ------
    ApiError
        400 if it is damaged, of no recordings, or of another model.
    """
    if given is None:
        return None
    read = Baseline.from_json if isinstance(given, str) else Baseline.from_dict
    try:
        baseline = read(given, FIELD)
        model.with_baseline(baseline)
    except (DataError, ModelError) as error:
        raise refused(error) from None
    return baseline


def refused(error: Exception) -> ApiError:
    """Return the answer to a baseline that cannot be used."""
    return ApiError(400, str(error), "invalid_baseline", param=FIELD)
