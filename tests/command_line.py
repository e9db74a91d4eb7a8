"""Run the command line in this process: fast where torch is slow to import."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest


class Answer(NamedTuple):
    """What a command gave back."""

    status: int
    out: str
    errors: str

    def is_one_line(self, *parts: str) -> None:
        """Assert that it failed with one line that holds these parts."""
        assert self.status == 1, self.errors
        assert self.out == ""
        assert self.errors.startswith("error: ")
        assert self.errors.count("\n") == 1
        for part in parts:
            assert part in self.errors


def affekt(capsys: pytest.CaptureFixture[str], *words: str | Path) -> Answer:
    """Run ``affekt`` with these words, in the present folder."""
    from affekt.cli import main

    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        main(list(map(str, words)))
    out, errors = capsys.readouterr()
    return Answer(int(end.value.code or 0), out, errors)
