"""Answers as the audio classification pipeline of Hugging Face gives them: ``[{label, score}]``.

One answer for a whole recording, the most probable emotion first; there is no place for times,
warnings, quality or errors. A recording that failed has an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from affekt.errors import AffektError
from affekt.results import Track


def lines(tracks: Iterable[Track], labels: Sequence[str]) -> Iterator[str]:
    """Yield one line of JSON for each recording: the list that the pipeline gives for it.

    Raises
    ------
    AffektError
        If a recording has more than one segment.
    """
    del labels
    for track in tracks:
        if len(track.segments) > 1:
            raise AffektError(
                f"{track.file}: the format hf holds one answer for a recording, not "
                f"{len(track.segments)} segments: write json, or use `affekt predict`"
            )
        answer = track.segments[0].to_hf() if track.segments else []
        answer = [{**one, "score": round(one["score"], 6)} for one in answer]
        yield json.dumps(answer, ensure_ascii=False, allow_nan=False)
