from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from affekt.training.network.losses import log_prior, soft_cross_entropy  # noqa: E402


def batch(seed: int = 0) -> tuple:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(16, 4, generator=generator)
    targets = torch.eye(4)[torch.randint(4, (16,), generator=generator)]
    return logits, targets, torch.ones(16, 4, dtype=torch.bool)


def test_hard_targets_give_torchs_cross_entropy() -> None:
    logits, targets, allowed = batch()
    expected = torch.nn.functional.cross_entropy(logits, targets.argmax(dim=1))
    assert soft_cross_entropy(logits, targets, allowed).item() == pytest.approx(expected.item())


def test_smoothing_is_torchs_when_all_classes_are_allowed() -> None:
    logits, targets, allowed = batch()
    expected = torch.nn.functional.cross_entropy(logits, targets.argmax(dim=1), label_smoothing=0.2)
    loss = soft_cross_entropy(logits, targets, allowed, label_smoothing=0.2)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_class_weights_multiply_the_loss_of_their_class() -> None:
    logits, targets, allowed = batch()
    weights = torch.tensor([1.0, 0.0, 2.0, 5.0])
    each = torch.nn.functional.cross_entropy(logits, targets.argmax(dim=1), reduction="none")
    expected = (each * weights[targets.argmax(dim=1)]).mean()
    loss = soft_cross_entropy(logits, targets, allowed, weights)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_class_that_is_not_allowed_neither_helps_nor_harms() -> None:
    logits, _, allowed = batch()
    targets = torch.eye(4)[torch.zeros(16, dtype=torch.long)]
    allowed[:, 3] = False
    expected = soft_cross_entropy(logits[:, :3], targets[:, :3], allowed[:, :3])
    assert soft_cross_entropy(logits, targets, allowed).item() == pytest.approx(expected.item())
    logits.requires_grad_(True)
    soft_cross_entropy(logits, targets, allowed, label_smoothing=0.1, focal_gamma=2.0).backward()
    assert logits.grad[:, 3].abs().max() == 0


def test_focal_loss_without_gamma_is_cross_entropy() -> None:
    logits, targets, allowed = batch()
    plain = soft_cross_entropy(logits, targets, allowed)
    assert torch.equal(soft_cross_entropy(logits, targets, allowed, focal_gamma=0.0), plain)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_the_formula_of_the_paper(gamma: float) -> None:
    logits, targets, allowed = batch()
    p = (torch.softmax(logits, dim=1) * targets).sum(dim=1)
    expected = (-((1 - p) ** gamma) * torch.log(p)).mean()
    loss = soft_cross_entropy(logits, targets, allowed, focal_gamma=gamma)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_focal_loss_cares_less_for_what_is_easy() -> None:
    _, targets, allowed = batch()
    easy, hard = 4 * targets, -1 * targets
    for gamma in (1.0, 3.0):
        kept_of_easy = soft_cross_entropy(
            easy, targets, allowed, focal_gamma=gamma
        ) / soft_cross_entropy(easy, targets, allowed)
        kept_of_hard = soft_cross_entropy(
            hard, targets, allowed, focal_gamma=gamma
        ) / soft_cross_entropy(hard, targets, allowed)
        assert kept_of_easy < 0.1 < 0.5 < kept_of_hard


@pytest.mark.parametrize("gamma", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("certainty", [0.0, 20.0, 1e3])
def test_focal_loss_has_finite_slopes_however_certain_the_answer(
    gamma: float, certainty: float
) -> None:
    _, targets, allowed = batch()
    for sign in (1, -1):
        logits = (sign * certainty * targets).requires_grad_(True)
        loss = soft_cross_entropy(logits, targets, allowed, label_smoothing=0.1, focal_gamma=gamma)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


def test_logit_adjustment_shifts_by_the_log_prior() -> None:
    sizes = torch.tensor([60, 30, 10])
    assert log_prior(sizes).tolist() == pytest.approx(torch.tensor([0.6, 0.3, 0.1]).log().tolist())
    assert log_prior(sizes, 0.5) == pytest.approx(log_prior(sizes) / 2)
    logits, targets, allowed = batch()
    shift = log_prior(torch.tensor([5, 1, 1, 3]))
    loss = soft_cross_entropy(logits, targets, allowed, logit_shift=shift)
    assert torch.equal(loss, soft_cross_entropy(logits + shift, targets, allowed))


def test_logit_adjustment_of_even_classes_changes_nothing() -> None:
    logits, targets, allowed = batch()
    shift = log_prior(torch.tensor([7, 7, 7, 7]))
    loss = soft_cross_entropy(logits, targets, allowed, logit_shift=shift)
    assert loss.item() == pytest.approx(soft_cross_entropy(logits, targets, allowed).item())


def test_an_adjusted_model_that_knows_nothing_prefers_no_class() -> None:
    """What the paper promises: the best constant answer is even, not the prior."""
    sizes = torch.tensor([80, 15, 5])
    targets = torch.eye(3).repeat_interleave(sizes, dim=0)
    allowed = torch.ones(100, 3, dtype=torch.bool)
    for shift, expected in ((log_prior(sizes), [1 / 3] * 3), (None, [0.8, 0.15, 0.05])):
        logits = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.LBFGS([logits], max_iter=100, line_search_fn="strong_wolfe")

        def closure(logits=logits, optimizer=optimizer, shift=shift) -> torch.Tensor:
            optimizer.zero_grad()
            loss = soft_cross_entropy(logits.expand(100, 3), targets, allowed, logit_shift=shift)
            loss.backward()
            return loss

        optimizer.step(closure)
        assert torch.softmax(logits, dim=0).tolist() == pytest.approx(expected, abs=1e-3)


def test_a_class_without_clips_has_a_finite_prior() -> None:
    assert torch.isfinite(log_prior(torch.tensor([3, 0, 1]))).all()
