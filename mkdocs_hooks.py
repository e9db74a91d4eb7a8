"""What `make docs` adds to the pages in docs/: those beside it, the API reference, the gallery."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent
BESIDE = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *sorted((ROOT / "benchmarks" / "images").glob("*")),
    *sorted((ROOT / "examples" / "recordings").glob("*.md")),
]
"""Pages and pictures outside docs/."""
FENCE = re.compile(r"^```[^\n]*\n.*?^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?\[[^\]]*\])\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]+)?\)")
PICTURE = re.compile(r"!\[([^\]]*)\]\((?![a-z]+:)([^)\s]+)\)")


def place(path: Path) -> str:
    """Return where the site has a file of the repository."""
    inside = ROOT / "docs"
    name = path.relative_to(inside if path.is_relative_to(inside) else ROOT).as_posix()
    # README.md would become index.html.
    return name.lower() if path.suffix == ".md" else name


def setting(file: str, name: str) -> str:
    """Return a value in quotes from a file of the project, without importing it."""
    found = re.search(rf'^{name} = "(.*)"', (ROOT / file).read_text("utf-8"), re.MULTILINE)
    assert found, f"{file} has no {name}"
    return found[1]


def public_names() -> list[str]:
    """Return the public names of ``affekt``."""
    source = (ROOT / "src" / "affekt" / "__init__.py").read_text("utf-8")
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "_PUBLIC":
            return list(ast.literal_eval(statement.value))
    raise AssertionError("affekt/__init__.py has no _PUBLIC")


def reference() -> str:
    """Return the page of the public names."""
    text = "# Python reference\n\nWhat `import affekt` gives.\n\n"
    return text + "\n".join(
        f"::: affekt.{name}\n" for name in sorted(public_names(), key=str.lower)
    )


def gallery(pages: list[Path]) -> str:
    """Return the page that shows every picture of the other pages."""
    text = "# Gallery\n\nEvery picture of these pages, each with the page that explains it.\n"
    seen = set()
    for page in pages:
        prose = FENCE.sub("", page.read_text("utf-8"))
        title = re.search(r"^# (.*)", prose, re.MULTILINE)
        for words, link in PICTURE.findall(prose):
            picture = (page.parent / link).resolve()
            if picture not in seen:
                seen.add(picture)
                text += f"\n## {re.split('[:.] ', words)[0]}\n\n![{words}]({place(picture)})\n"
                text += f"\nFrom [{title[1] if title else page.stem}]({place(page)})\n"
    return text


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name the version in the header."""
    config.site_name = f"affekt {setting('src/affekt/__init__.py', '__version__')}"
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    for path in BESIDE:
        files.append(File.generated(config, place(path), abs_src_path=str(path)))
    pages = [
        path for path in [*sorted((ROOT / "docs").glob("*.md")), *BESIDE] if path.suffix == ".md"
    ]
    files.append(File.generated(config, "api.md", content=reference()))
    files.append(File.generated(config, "gallery.md", content=gallery(pages)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the site's pages, and those to other files to the repository."""
    source = page.file.abs_src_path
    # What only our tests read in a fence's first line.
    markdown = re.sub(r"^```(\w+) [\w= -]+$", r"```\1", markdown, flags=re.MULTILINE)
    if source is None:
        return markdown
    start = os.path.dirname(page.file.src_uri)
    elsewhere = setting("pyproject.toml", "files")

    def lead(link: re.Match[str]) -> str:
        target = (Path(source).parent / link[2]).resolve()
        if target.is_relative_to(ROOT) and files.get_file_from_path(place(target)):
            address = os.path.relpath(place(target), start or ".")
        elif target.is_relative_to(ROOT) and target.exists():
            address = f"{elsewhere}/{target.relative_to(ROOT).as_posix()}"
        else:
            address = link[2]  # leads nowhere: the strict build says so
        return f"{link[1]}({address}{link[3] or ''})"

    parts = re.split(f"({FENCE.pattern})", markdown, flags=FENCE.flags)
    return "".join(part if part.startswith("```") else LINK.sub(lead, part) for part in parts)
