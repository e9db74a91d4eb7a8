"""The tables of a paper, from the results of this repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from affekt.cli import main
from affekt.evaluation.results import read_results
from affekt.formats import paper


def test_tables_hold_what_the_results_hold(repository: Path) -> None:
    folder = repository / "benchmarks" / "results"
    rows = paper.read_rows(folder)
    results = read_results(folder)
    assert len(rows) == len(results) > 10
    text = paper.as_markdown(rows, "1.2.3")
    assert text.count("| always the largest class |") == len({one.protocol for one in results})
    for one in results:
        score = f"{100 * one.uar.mean:.1f}"
        if one.uar.ci95 is not None:
            score += f" ({100 * one.uar.ci95[0]:.1f} to {100 * one.uar.ci95[1]:.1f})"
        assert f"| {one.recipe} | {score} |" in text
        assert f"{one.recipe}: {one.parameters:,} parameters" in text
    assert text.endswith("Trained and measured with affekt 1.2.3.\n")


def test_what_naming_the_largest_class_gives() -> None:
    row = paper.Row("c", "s", dict.fromkeys(paper.SHOWN, 0.5), {}, (30, 10, 0), "")
    (table,) = paper.tables([row])
    # Recalls 1 and 0; F1 of the class: 2 * 0.75 * 1 / 1.75, of the other 0.
    assert table.rows[0] == ("always the largest class", "50.0", "75.0", "42.9", "")
    assert table.rows[1] == ("s", "50.0", "50.0", "50.0", "50.0")


def test_latex_is_escaped(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.tex"
    with pytest.raises(SystemExit) as ended:
        main(["report", str(repository / "benchmarks" / "results"), "--out", str(out)])
    assert ended.value.code == 0
    text = out.read_text(encoding="utf-8")
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") > 3
    assert r"95 \% percentile bootstraps" in text
    assert "%" not in text.replace(r"\%", "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--out", "table.docx"], "table.docx: end in .md or .tex"),
        ([], "holds no finished run with figures"),
    ],
)
def test_mistakes(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path), *words])
    assert ended.value.code == 1
    assert expected in capsys.readouterr().err


def test_a_run_that_is_not_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run" / "test").mkdir(parents=True)
    with pytest.raises(SystemExit):
        main(["report", str(tmp_path)])
    assert "a run in it is damaged or not finished" in capsys.readouterr().err
