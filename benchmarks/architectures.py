"""How large each architecture is with its default options, what it computes, and how it looks.

    python benchmarks/architectures.py               # counts; writes JSON, page and pictures
    python benchmarks/architectures.py --table-only  # writes page and pictures again

Nothing is timed, so any machine gives the same figures.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

from _common import ROOT, Report, Result, write_whole

REPORT = Report("architectures", "docs/architectures.md")
IMAGES = ROOT / "docs" / "images"


def measure() -> Result:
    """Count every architecture of the package and return the result as it is stored."""
    from affekt.evaluation.provenance import commit, software_versions
    from affekt.labels import SHARED_EMOTIONS
    from affekt.models.anatomy import SECONDS
    from affekt.models.frontend import FrontendConfig
    from affekt.models.picture import parts_to
    from affekt.models.registry import ARCHITECTURES
    from affekt.models.survey import architecture_facts

    frontend = FrontendConfig(normalisation="local")  # with which streamable ones stream
    rows = {}
    for name in ARCHITECTURES:
        facts = architecture_facts(name, frontend=frontend)
        row = {**asdict(replace(facts, parts=())), "parts": parts_to(facts.parts)}
        row.pop("name")
        row["paper"] = facts.paper and facts.paper._asdict()
        rows[name] = row
    return {
        "seconds": SECONDS[0],
        "labels": len(SHARED_EMOTIONS),
        "architectures": rows,
        "versions": software_versions(),
        "commit": commit(),
    }


def table(result: Result) -> str:
    """Return the result as Markdown: the table, and the conditions in one sentence."""
    lines = [
        "| architecture | parameters | million multiply-adds per second of audio "
        "| frames per second | a frame hears | streams | LiteRT |",
        "|---|---:|---:|---:|---:|---|---|",
    ]
    for name, row in result["architectures"].items():
        streams, litert = ("yes" if row[key] else "no" for key in ("streamable", "litert"))
        lines.append(
            f"| [`{name}`](#{name}) | {row['parameters']:,} | {_work(row)} "
            f"| {row['frames_per_second']:g} | {_hears(row)} | {streams} | {litert} |"
        )
    lines += [
        "",
        f"With default options (`ssl`: on an encoder of the size of WavLM base), log-mel of local "
        f"level or the waveform, mean and deviation pooling and {result['labels']} emotions; "
        f"work without the frontend, on {result['seconds']:g} s of audio; commit "
        f"`{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def section(name: str, result: Result) -> str:
    """Return what the page shows of one architecture: its picture, and its facts in a sentence."""
    from affekt.models.picture import in_words, parts_from

    row = result["architectures"][name]
    words = in_words(parts_from(row["parts"]))
    whole = row["receptive_field"] is None
    hears = "the whole recording" if whole else f"{_hears(row)} of the recording"
    streams = "Streams" if row["streamable"] else "Does not stream"
    paper = row["paper"]
    source = f" After [{paper['citation']}]({paper['url']})." if paper else ""
    return (
        f"![The architecture {name}. {words}](images/{picture(name).name})\n\n"
        f"{row['parameters']:,} parameters, {_work(row)} million multiply-adds per second of "
        f"audio; a frame hears {hears}. {streams}.{source}"
    )


def picture(name: str) -> Path:
    """Return where the picture of an architecture lies."""
    return IMAGES / f"architecture-{name}.svg"


def drawn(name: str, result: Result) -> str:
    """Return the picture of an architecture, from what is stored of it."""
    from affekt.models.picture import draw_parts, parts_from
    from affekt.models.survey import fit_for

    return draw_parts(parts_from(result["architectures"][name]["parts"]), name, fit_for(name))


def show(result: Result) -> None:
    """Write the table, each section, and each picture."""
    REPORT.show(table(result))
    for name in result["architectures"]:
        replace(REPORT, part=name).show(section(name, result))
        write_whole(picture(name), drawn(name, result))


def _work(row: Result) -> str:
    return f"{row['multiply_adds_per_second'] / 1e6:.1f}"


def _hears(row: Result) -> str:
    field = row["receptive_field"]
    return "all" if field is None else f"{field:.2f} s"


def main() -> None:
    """Count, or only show again what is stored."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--table-only", action="store_true", help="write page and pictures again")
    if not parser.parse_args().table_only:
        REPORT.finish(measure(), REPORT.file, table)
    show(REPORT.load())


if __name__ == "__main__":
    main()
