"""Write the parts of the pages that come from the package or from stored results.

    python benchmarks/pages.py           # write
    python benchmarks/pages.py --check   # change nothing; exit 1 if a page is out of step

The tables and the picture of ``docs/results.md``, and the tables with shared speakers, come from
``benchmarks/results/`` and from the figures of others in ``benchmarks/anchors.toml``; the columns
of ``docs/features.md`` come from `affekt.features.columns`. Each other script of this folder writes
its own block: ``make tables`` runs them all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from report.anchors import read_anchors
from report.page import read_block, write_block
from report.size_picture import draw_uar_by_size, picture_in_words
from report.tables import protocol_tables, read_latency

from affekt.errors import AffektError
from affekt.evaluation.results import read_results
from affekt.features.columns import FEATURES
from affekt.features.settings import DEFAULT

ROOT = Path(__file__).resolve().parents[1]
RESULTS = "benchmarks/results"
PICTURE = "docs/images/uar-by-size.svg"


class Block(NamedTuple):
    """A generated block: its page, its name in the markers, and what makes its text."""

    page: str
    name: str
    text: Callable[[Path], str]


def results_tables(root: Path, *, shared_speakers: bool = False) -> str:
    """Return the tables of results: a section for each protocol, of one of the two kinds."""
    latency = read_latency(root / RESULTS / "latency.json")
    anchors = read_anchors(root / "benchmarks/anchors.toml")
    results = read_results(root / RESULTS)
    return protocol_tables(results, anchors, latency, shared_speakers=shared_speakers)


def results_picture(root: Path) -> str:
    """Return the reference to the picture of ``docs/results.md``, and what it shows in words."""
    anchors = read_anchors(root / "benchmarks/anchors.toml")
    words = picture_in_words(read_results(root / RESULTS), anchors)
    return f"![UAR against size. {words}]({Path(PICTURE).relative_to('docs')})"


def feature_columns(root: Path) -> str:
    """Return the columns of ``affekt features`` as a Markdown table."""
    return "\n".join(
        [
            "| set | column | unit | meaning | per frame |",
            "|---|---|---|---|---|",
            *(f"| {' | '.join(cells)} |" for cells in _feature_cells()),
        ]
    )


def _feature_cells() -> Iterator[tuple[str, ...]]:
    for one in FEATURES:
        names = one.names(DEFAULT)
        shown = f"`{names[0]}`" if len(names) == 1 else f"`{names[0]}` … `{names[-1]}`"
        frames = "whole clip only" if one.per_file else "yes"
        yield f"`{one.family}`", shown, one.unit or "count", one.meaning, frames


BLOCKS = (
    Block("docs/results.md", "benchmarks/pages.py picture", results_picture),
    Block("docs/results.md", "benchmarks/pages.py results", results_tables),
    Block(
        "benchmarks/measurements.md",
        "benchmarks/pages.py results with shared speakers",
        partial(results_tables, shared_speakers=True),
    ),
    Block("docs/features.md", "benchmarks/pages.py columns", feature_columns),
)


def stale_blocks(root: Path = ROOT) -> list[str]:
    """Return the blocks that differ from what would be written, as ``PAGE: NAME``."""
    return [
        f"{block.page}: {block.name}"
        for block in BLOCKS
        if read_block(root / block.page, block.name) != block.text(root)
    ]


def write_blocks(root: Path = ROOT) -> None:
    """Write each block, and the picture of UAR against size."""
    texts = [block.text(root) for block in BLOCKS]  # a fault in a file of figures changes no page
    for block, text in zip(BLOCKS, texts, strict=True):
        write_block(root / block.page, block.name, text)
    anchors = read_anchors(root / "benchmarks/anchors.toml")
    draw_uar_by_size(read_results(root / RESULTS), anchors, root / PICTURE)


def main() -> int:
    """Write, or check; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="of the source tree")
    options = parser.parse_args()
    try:
        if not options.check:
            write_blocks(options.root)
            return 0
        stale = stale_blocks(options.root)
    except AffektError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    for block in stale:
        sys.stderr.write(f"error: {block} is out of step: run `make tables`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
