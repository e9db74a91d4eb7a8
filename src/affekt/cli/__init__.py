"""The ``affekt`` command: one file per verb, and only the file of the verb called is imported.

The convention: ``affekt NAME`` is answered by the module ``affekt.cli.NAME``, which defines either

- ``command``: a plain function with typer annotations; its docstring is the help text, or
- ``app``: a :class:`typer.Typer` with sub-commands (``affekt data get``).

Nothing is registered by the modules themselves: add a line to ``COMMANDS`` and the file. Heavy
imports (torch, matplotlib, rich) belong inside the functions, so that ``--help`` stays instant.
What every command shares (options, tables, progress) is in :mod:`affekt.cli._common`.

A command raises :class:`affekt.errors.AffektError` for a mistake of the user (one line on stderr,
exit status 1), ``typer.BadParameter`` for a wrong option (status 2), and ``typer.Exit(code)`` to
end early. Ctrl-C ends any command with status 130.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from affekt.errors import AffektError
from affekt.files import visible

COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "demo": "Predict recordings whose emotion is known.",
        "predict": "Say which emotion each recording carries.",
        "serve": "Answer over HTTP and WebSocket, with a page for people.",
        "timeline": "Say which emotions recordings carry from when to when.",
        "stream": "Recognise emotions in live sound, from a microphone or a pipe.",
        "explain": "Say what in a recording speaks for an emotion.",
        "baseline": "Measure a voice or a room from recordings without labels.",
        "adapt": "Adapt a model to a few labelled recordings: own labels, own voices.",
        "face": "Learn a model of face units, to be fused with the voice.",
        "select": "Choose the recordings that are worth a label next.",
        "new": "Begin a project: look at recordings, write a recipe.",
        "train": "Train a model from a recipe, or resume a run.",
        "soup": "Mix the weights of several runs into one model.",
        "evaluate": "Score a model on a corpus.",
        "compare": "Say whether a model is better than another, and for whom.",
        "drift": "Say whether answers have changed since a reference.",
        "report": "Write the table of a paper from runs and results.",
        "search": "Look for good values of a recipe, on validation speakers.",
        "benchmark": "Measure a recipe under a published protocol.",
        "export": "Turn a training run into a model directory.",
        "features": "Measure pitch, spectrum, voice quality and rhythm as tables.",
        "augment": "Write a recording after an augmentation, with spectrograms.",
        "data": "List, download, audit and split speech corpora.",
        "models": "Show the facts of the default model and of the models at hand.",
        "doctor": "Check this installation and show what is missing.",
    }
)
"""Every command with its one-line help, in the order in which ``affekt --help`` lists them."""

TAKE_RECIPES = ("train", "search", "benchmark")
"""Commands with ``--set``, which changes a key of a recipe."""

INTERRUPTED = 130
"""Exit status after Ctrl-C: 128 + SIGINT, as shells have it."""


_UsageError: Any = typer.BadParameter.__mro__[1]
"""click's, of which newer versions of typer have a copy of their own."""


class _Commands(TyperGroup):
    """The root group: turns the errors a user can meet into one line and a status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AffektError as error:
            fail(str(error))
        except _UsageError as error:
            _suggest_key(error)
            raise
        except KeyboardInterrupt:
            interrupted()
        except (MemoryError, RuntimeError, ImportError) as error:
            if not _is_out_of_memory(error):
                raise
            fail("there is not enough memory: close other programs, or do less at once")
        except OSError as error:
            if error.errno == errno.EPIPE or error.strerror is None:
                raise
            where = f": {error.filename}" if error.filename is not None else ""
            fail(f"{error.strerror}{where}")


def _suggest_key(error: Any) -> None:
    """Name the key of a recipe that an unknown option means: ``--epochs`` of ``affekt train``."""
    option = getattr(error, "option_name", "").lstrip("-").replace("-", "_")
    if option and error.ctx is not None and error.ctx.info_name in TAKE_RECIPES:
        from affekt.recipe_files import keys_named

        if keys := keys_named(option):
            said = " or ".join(f"--set {key}=..." for key in keys)
            error.message = f"{error.message} (a key of the recipe: {said})"


_OUT_OF_MEMORY = ("annot allocate memory", "can't allocate memory", "failed to map segment")
"""What libraries say: onnxruntime where a thread cannot start, torch, the loader of libraries."""


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)


def fail(message: str) -> NoReturn:
    """Print ``error: message`` as one line on stderr and exit with status 1."""
    typer.echo(f"error: {visible(' '.join(message.split()))}", err=True)
    raise SystemExit(1)


def interrupted() -> NoReturn:
    """Write 'interrupted' to stderr, and exit with status 130."""
    typer.echo("interrupted", err=True)
    raise SystemExit(INTERRUPTED)


def _show_version(wanted: bool) -> None:
    if wanted:
        from affekt import __version__

        typer.echo(f"affekt {__version__}")
        raise typer.Exit()


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Speech emotion recognition: predict, train, measure and export."""


def _listed_only() -> None:
    """Placeholder of a command that is listed but not called; its module stays unimported."""


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """Build the command line for one call, importing only the module of the command named.

    Parameters
    ----------
    arguments : sequence of str
        What follows ``affekt`` on the command line. No option of ``affekt`` itself takes a
        value, so the first word without a dash names the command.
    """
    app = typer.Typer(
        name="affekt",
        cls=_Commands,
        no_args_is_help=True,
        add_completion=True,
        rich_markup_mode=None,  # rich costs a third of the cold start of a prediction
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    called = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == called:
            _register(app, name, summary)
        else:
            app.command(name, help=summary)(_listed_only)
    return app


def _register(app: typer.Typer, name: str, summary: str) -> None:
    module = import_module(f"affekt.cli.{name}")
    if hasattr(module, "app"):
        app.add_typer(module.app, name=name, short_help=summary)
    else:
        app.command(name, short_help=summary)(module.command)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status: 0, 1 (error), 2 (usage), 130 (Ctrl-C).

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments without the program's name; those of the process by default.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if "_AFFEKT_COMPLETE" in os.environ:  # a shell asks how a line may go on, not for an answer
        line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ.get("COMP_WORDS", "")
        words = line.split()[1:]
    if isinstance(sys.stdout, io.TextIOWrapper):
        # The name of a file may hold bytes of another encoding: show them, rather than fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        build_app(words)(args=words, prog_name="affekt")
    except KeyboardInterrupt:
        interrupted()
    except BrokenPipeError:
        # The reader (`| head`) has gone: point stdout elsewhere, or Python complains at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    raise SystemExit(0)
