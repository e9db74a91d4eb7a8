"""Models beside each other: right numbers, and no difference where there is none."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from affekt.errors import ConfigError, DataError
from affekt.evaluation.compare import (
    Comparison,
    compare_answers,
    e_value,
    mcnemar_p,
    permutation_p,
    uar_shares,
)
from affekt.evaluation.gates import failures, of_comparison, of_evaluation, parse_limits
from affekt.evaluation.groups import fairness, gini
from affekt.evaluation.metrics import evaluate
from affekt.formats.comparison import as_html, as_latex, as_markdown, as_text

LABELS = ("angry", "happy", "sad")


def made_up(
    skills: dict[str, float], *, speakers: int = 20, clips: int = 600, seed: int = 0
) -> Comparison:
    """Compare made-up models; a skill is how far the right logit stands out."""
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, clips)
    answers = {}
    for name, skill in skills.items():
        logits = rng.normal(size=(clips, 3))
        logits[np.arange(clips), targets] += skill
        powers = np.exp(logits)
        answers[name] = powers / powers.sum(axis=1, keepdims=True)
    names = [f"s{at % speakers:02}" for at in range(clips)]
    columns = {
        "gender": ["female" if at % 2 else "male" for at in range(clips)],
        "language": ["en" if at % speakers else "de" for at in range(clips)],
    }
    return compare_answers(
        answers, targets, LABELS, speakers=names, columns=columns, n_resamples=200
    )


def test_a_better_model_is_found_better() -> None:
    found = made_up({"a": 1.0, "b": 1.6})
    pair = found.pairs[0]
    assert pair.verdict == "better"
    assert pair.p is not None
    assert pair.p < 0.01
    uar = pair.differences["uar"]
    assert uar.value == pytest.approx(found.metrics["b"].uar - found.metrics["a"].uar)
    assert uar.ci95 is not None
    assert 0 < uar.ci95[0] < uar.value < uar.ci95[1]
    assert pair.differences["log_loss"].value < 0
    assert pair.only_after > pair.only_before
    changed = pair.changed
    assert len(changed) > pair.only_before + pair.only_after - 1
    assert changed[0].before == changed[0].truth  # what became wrong comes first


def test_equal_models_are_seldom_told_apart() -> None:
    wrong = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wrong += (permutation_p(rng.normal(size=15).tolist(), seed=seed) or 1) < 0.05
    assert wrong <= 6  # of 40 at 5 %: 7 and more in 1 of 400 cases


def test_exchanges_are_counted_exactly() -> None:
    # Of the 16 signs of four equal parts, two give a sum as large.
    assert permutation_p([1.0, 1.0, 1.0, 1.0]) == 2 / 16
    assert permutation_p([1.0]) is None


def test_shares_of_speakers_sum_to_the_difference_of_uar() -> None:
    rng = np.random.default_rng(1)
    targets = np.array([0] * 30 + [1] * 10 + [2] * 5)
    rows = [rng.dirichlet(np.ones(3), 45) for _ in range(2)]
    names = [f"s{at % 7}" for at in range(45)]
    shares = uar_shares(rows[0], rows[1], targets, names)
    one, other = (evaluate(r, targets, LABELS).uar for r in rows)
    assert sum(shares.values()) == pytest.approx(other - one)


@pytest.mark.parametrize(
    ("b", "c", "p"), [(0, 0, 1.0), (0, 5, 2 / 32), (5, 5, 1.0), (1, 7, 18 / 256)]
)
def test_mcnemar_is_the_exact_binomial(b: int, c: int, p: float) -> None:
    assert mcnemar_p(b, c) == pytest.approx(p)
    assert mcnemar_p(c, b) == pytest.approx(p)


def test_too_few_speakers_are_said_to_be_too_few() -> None:
    pair = made_up({"a": 0.5, "b": 3.0}, speakers=4).pairs[0]
    assert pair.verdict == "unknown"
    one = made_up({"a": 0.5, "b": 3.0}, speakers=1)
    assert one.pairs[0].p is None
    assert one.pairs[0].differences["uar"].ci95 is None
    assert "one speaker" in one.notes[0]
    as_text(one)


def test_small_groups_are_shown_and_not_read() -> None:
    found = made_up({"a": 1.0, "b": 1.0})
    why = {one.value: one.too_small for one in found.pairs[0].groups}
    assert why == {"female": "", "male": "", "de": "fewer than 50 clips", "en": ""}
    assert [gap.attribute for gap in found.fairness["a"].gaps] == ["gender"]


def test_worst_quarter_and_gini() -> None:
    assert gini([1, 1, 1]) == 0
    assert gini([0, 0, 0, 1]) == pytest.approx(0.75)
    targets = np.tile([0, 1, 2], 40)
    names = [f"s{at // 15}" for at in range(120)]  # 8 speakers of 15 clips
    right = np.eye(3)[targets]
    right[:30] = np.eye(3)[(targets[:30] + 1) % 3]  # the first two are always misunderstood
    found = fairness(right, targets, LABELS, names, {}, n_resamples=50)
    assert found.worst_quarter == 0
    assert found.worst_quarter_by_chance is not None
    assert found.worst_quarter_by_chance > 0.4
    assert list(found.speakers)[:2] == ["s0", "s1"]


def test_a_gap_between_groups_is_told_from_chance() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 600)
    names = [f"s{at % 20:02}" for at in range(600)]
    column = ["female" if at % 2 else "male" for at in range(600)]
    skill = np.where(np.array(column) == "female", 3.0, 1.0)
    logits = rng.normal(size=(600, 3))
    logits[np.arange(600), targets] += skill
    rows = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    (gap,) = fairness(rows, targets, LABELS, names, {"gender": column}, n_resamples=200).gaps
    assert (gap.best, gap.worst) == ("female", "male")
    assert gap.p < 0.05


def test_limits_are_checked() -> None:
    found = made_up({"a": 2.0, "b": 1.0})
    measured = of_comparison(found)
    names = list(measured)
    assert failures(parse_limits(["worse=90"], names), measured) == []
    (line,) = failures(parse_limits(["worse=1"], names), measured)
    assert line.startswith("worse: ")
    assert "the limit is 1" in line
    for word in ("worse", "worse=much", "other=1", "worse=nan"):
        with pytest.raises(ConfigError, match="NAME=NUMBER"):
            parse_limits([word], names)
    alone = of_evaluation(evaluate(np.eye(3), np.arange(3), LABELS))
    assert "cannot tell" in failures({"gap": 5.0}, alone)[0]


def test_texts_hold_the_verdict_and_escape_what_is_hostile() -> None:
    name = "b_&<|%"
    found = made_up({"a": 1.0, name: 1.0}, clips=120)
    assert "a" in as_text(found)
    assert r"b\_\&" in as_latex(found)
    assert name not in as_latex(found).split("\\begin", 1)[1]
    assert r"b\_&\<\|%" in as_markdown(found)
    page = as_html(found, lambda clip: b"sound")
    assert "<audio" in page
    assert "b_&amp;&lt;|%" in page
    assert name not in page
    text = json.dumps(found.to_dict())
    assert json.loads(text)["pairs"][0]["baseline"] == "a"
    assert not math.isnan(found.log_loss["a"])


def test_one_model_is_no_comparison() -> None:
    with pytest.raises(DataError, match="two models"):
        made_up({"a": 1.0})


def test_evidence_may_be_looked_at_at_any_time() -> None:
    assert e_value(0, 0) == pytest.approx(1)
    assert e_value(1, 0) == pytest.approx(1)
    assert e_value(2, 0) == pytest.approx(4 / 3)
    rng = np.random.default_rng(0)
    ever = 0
    for _ in range(200):
        first = np.cumsum(rng.random(300) < 0.5)
        ever += any(e_value(int(k), n + 1 - int(k)) >= 20 for n, k in enumerate(first))
    assert ever <= 18  # of 200 at most 10 are expected; 19 and more in 1 of 150 cases
    assert e_value(40, 80) > 20
