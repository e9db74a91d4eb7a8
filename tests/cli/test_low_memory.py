"""Too little memory: one line, never a traceback."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import typer

from affekt.cli import _Commands


def too_large() -> None:
    np.empty(2**48)  # beyond what a process can address


def no_thread() -> None:  # as onnxruntime says it
    raise RuntimeError("pthread_create failed, error msg: Cannot allocate memory")


@pytest.mark.parametrize("command", [too_large, no_thread])
def test_it_is_one_line(command: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer(cls=_Commands)
    app.command("work")(command)
    app.command("other")(too_large)
    with pytest.raises(SystemExit) as end:
        app(["work"])
    assert end.value.code == 1
    expected = "error: there is not enough memory: close other programs, or do less at once\n"
    assert capsys.readouterr().err == expected


def test_other_errors_are_not_hidden() -> None:
    app = typer.Typer(cls=_Commands, pretty_exceptions_enable=False)

    @app.command("work")
    def work() -> None:
        raise RuntimeError("a defect")

    app.command("other")(too_large)
    with pytest.raises(RuntimeError, match="a defect"):
        app(["work"])
