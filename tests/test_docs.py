"""The documentation is run: its Python, its command lines and its links must hold."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "examples").rglob("*.md")),
]

NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))

FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    tags: tuple[str, ...]
    text: str


def blocks(page: Path, language: str) -> list[Block]:
    """Return the blocks of one language, but for ``no-run``, and ``needs=package`` without it."""
    text = page.read_text(encoding="utf-8")
    found = [
        Block(page, text[: match.start(2)].count("\n") + 1, tuple(match[1].split()), match[2])
        for match in FENCE.finditer(text)
    ]
    return [
        block
        for block in found
        if block.tags[:1] == (language,)
        and "no-run" not in block.tags
        and all(find_spec(tag[6:]) for tag in block.tags if tag.startswith("needs="))
    ]


def command_lines(page: Path) -> list[tuple[int, list[str]]]:
    """Return the words of each ``$ `` line of the console blocks, up to a pipe or a comment."""
    lines = []
    for block in blocks(page, "console"):
        text = block.text.replace("\\\n", " " * 2)
        for offset, line in enumerate(text.splitlines()):
            if line.startswith("$ "):
                words = shlex.split(re.split(r"\s[|>;]|\s&&", line[2:])[0], comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                lines.append((block.line + offset, words))
    return lines


def usage_fault(words: list[str]) -> str | None:
    """Say what is wrong with an ``affekt ...`` line: an unknown command, option, or one missing."""
    import typer.main

    from affekt.cli import build_app

    command: Any = typer.main.get_command(build_app(words))
    rest = list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    options = {
        flag: param for param in command.params for flag in (*param.opts, *param.secondary_opts)
    }
    given = [word.split("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
    unknown = [flag for flag in given if flag not in options and flag not in ("--help", "-h")]
    if unknown:
        return f"no option {unknown[0]!r}"
    if {"--help", "-h"} & set(given):
        return None
    required = [
        param for param in command.params if param.required and param.opts[0].startswith("-")
    ]
    missing = [param.opts[0] for param in required if not set(param.opts) & set(given)]
    return f"option {missing[0]!r} is missing" if missing else None


def slug(heading: str) -> str:
    """Return the anchor that a heading gets, as common Markdown renderers form it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The README speaks to someone in the root of the clone, a page to someone with recordings.
    for folder in ("recordings", "examples/recordings"):
        shutil.copytree(ROOT / "examples" / "recordings", tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    if find_spec("torch"):  # what a page registers is not there for other tests
        from affekt.models import ARCHITECTURES

        monkeypatch.setattr(ARCHITECTURES, "_known", dict(ARCHITECTURES.own))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        # Blank lines before the block make a traceback show the line of the page.
        source = "\n" * (block.line - 1) + block.text
        exec(compile(source, str(page), "exec"), namespace)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=page_id)
def test_notebooks_run(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("agg")
    if "affekt.training" in notebook.read_text(encoding="utf-8"):
        pytest.importorskip("torch")
    shutil.copytree(ROOT / "examples" / "recordings", tmp_path / "recordings")
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == []  # what a recording's answer is changes with the model
        *body, last = ast.parse("".join(cell["source"])).body
        where = f"{notebook.name}, cell {number}"
        exec(compile(ast.Module(body, []), where, "exec"), namespace)
        if isinstance(last, ast.Expr):  # what a notebook shows
            shown = eval(compile(ast.Expression(last.value), where, "eval"), namespace)  # noqa: S307
            show = getattr(shown, "_repr_html_", shown.__repr__)
            assert show()
        else:
            exec(compile(ast.Module([last], []), where, "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_command_lines_exist(page: Path) -> None:
    faults = []
    for line, words in command_lines(page):
        program = Path(words[0]).name if words else ""
        if program == "affekt" and (fault := usage_fault(words[1:])):
            faults.append(f"line {line}: {fault} in {shlex.join(words)}")
        if program == "make":
            targets = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
            faults += [
                f"line {line}: no target {word!r}"
                for word in words[1:]
                if "=" not in word and word not in targets
            ]
    assert faults == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    faults = []
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(prose):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists():
            faults.append(link)
        elif anchor and target.suffix == ".md":
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            if anchor not in map(slug, headings):
                faults.append(link)
    assert faults == []


def test_the_checks_see_a_fault() -> None:
    assert usage_fault(["nonsense"]) == "no command 'nonsense'"
    assert usage_fault(["predict", "a.wav", "--nonsense"]) == "no option '--nonsense'"
    assert usage_fault(["predict", "a.wav"]) is None
