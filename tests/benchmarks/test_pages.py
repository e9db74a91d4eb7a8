"""Generated blocks are replaced between their markers, and the pages are in step."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from report.page import markers, read_block, write_block

from affekt.errors import DataError

BEGIN, END = markers("a block")
PAGE = f"# Page\n{BEGIN}\nold\n{END}\nafter\n"


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    return path


def test_a_page_changes_between_its_markers_only(page: Path) -> None:
    assert read_block(page, "a block") == "old"
    assert write_block(page, "a block", "| 1 |")
    assert page.read_text() == f"# Page\n{BEGIN}\n\n| 1 |\n\n{END}\nafter\n"
    assert read_block(page, "a block") == "| 1 |"
    assert not write_block(page, "a block", "| 1 |")


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END} {BEGIN}", PAGE + PAGE])
def test_a_page_without_its_markers_is_refused(text: str, page: Path) -> None:
    page.write_text(text)
    with pytest.raises(DataError, match="once each"):
        write_block(page, "a block", "new")
    assert page.read_text() == text


def test_a_missing_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read the page"):
        read_block(tmp_path / "none.md", "a block")


def test_the_pages_are_in_step() -> None:
    assert pages.stale_blocks() == [], "run `make tables`"


@pytest.fixture
def copied(tmp_path: Path, repository: Path) -> Path:
    """The pages and what they are made of, apart from the source tree."""
    shutil.copytree(repository / "benchmarks/results", tmp_path / "benchmarks/results")
    shutil.copy(repository / "benchmarks/anchors.toml", tmp_path / "benchmarks")
    (tmp_path / "docs").mkdir()
    for name in ("results.md", "features.md"):
        shutil.copy(repository / "docs" / name, tmp_path / "docs")
    shutil.copy(repository / "benchmarks/measurements.md", tmp_path / "benchmarks")
    return tmp_path


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", pages.__file__, "--root", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_script_writes_and_checks(copied: Path) -> None:
    page = copied / "docs" / "results.md"
    text = page.read_text()
    assert run(copied, "--check").returncode == 0
    (copied / "benchmarks/results/ravdess-luna5/cnn.json").unlink()
    stale = run(copied, "--check")
    assert (stale.returncode, page.read_text()) == (1, text)
    assert "docs/results.md: benchmarks/pages.py results is out of step" in stale.stderr
    assert run(copied).returncode == 0
    assert page.read_text() != text
    assert run(copied, "--check").returncode == 0
    assert (copied / pages.PICTURE).is_file()


def test_a_figure_without_a_source_changes_no_page(copied: Path) -> None:
    anchors = copied / "benchmarks" / "anchors.toml"
    anchors.write_text(
        '[[anchor]]\nsystem = "a"\ncorpus = "emodb"\nclasses = 7\nscore = "UAR"\nvalue = 80\n'
        'protocol = "emodb-loso"\nsource = ""\n'
    )
    before = (copied / "docs/results.md").read_text()
    done = run(copied)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "anchor 1: the anchor 'a' on emodb has no source" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert (copied / "docs/results.md").read_text() == before
