"""What every command says about itself."""

from __future__ import annotations

import pytest
from command_line import affekt

from affekt.cli import COMMANDS
from affekt.runtime.bundle import DEFAULT


@pytest.mark.parametrize("command", [*COMMANDS])
def test_help_is_laid_out_and_names_the_default_model(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, errors = affekt(capsys, *command.split(), "--help")
    if "pip install" in errors:
        pytest.skip(errors)
    assert status == 0
    assert "\\b" not in out
    words = " ".join(out.split())
    if "Folder, hub id (org/name)" in words:
        assert f"default: {DEFAULT}." in words
