from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_corpus import write_sound

torch = pytest.importorskip("torch")

from affekt.audio.mel import mel_edges  # noqa: E402
from affekt.augment import BandLimit, ChannelTilt, Mixup, NoiseFloor, SpecAugment  # noqa: E402
from affekt.data import Clip  # noqa: E402
from affekt.errors import DataError  # noqa: E402
from affekt.models.frontend import FrontendConfig, build_frontend  # noqa: E402
from affekt.training import FeatureStore, Recipe  # noqa: E402
from affekt.training.data.batches import Batch, Batches, allowed_classes  # noqa: E402
from affekt.training.recipe.schema import AugmentConfig, DataConfig, TrainingConfig  # noqa: E402

LABELS = ("angry", "happy", "sad")
Make = Callable[..., Batches]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Clip]:
    """24 clips of two corpora: one knows angry and happy, the other angry and sad."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for number in range(24):
        corpus, other = (("one", "happy"), ("two", "sad"))[number % 2]
        path = write_sound(folder / f"{number}.wav")
        made.append(Clip(path, "angry" if number < 8 else other, str(number), corpus=corpus))
    return made


@pytest.fixture
def make(clips: list[Clip], store: FeatureStore) -> Make:
    def make(seed: int = 0, *, augment: bool = True, weights: object = None, **training) -> Batches:
        recipe = Recipe(
            data=DataConfig(weights=weights or {}),
            training=TrainingConfig(**{"batch_size": 4, "speeds": (1.0, 0.9), **training}),
            augment=AugmentConfig(enabled=augment),
        )
        return Batches(clips, LABELS, recipe, store, seed)

    return make


def same(one: Batch, other: Batch) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(other, name))
        for name in ("features", "lengths", "targets", "allowed")
    )


def test_seed_epoch_and_step_decide_a_batch(make: Make) -> None:
    batches, again = make(seed=3), make(seed=3)
    list(batches.epoch(0))  # what was drawn before does not matter
    first, second = list(batches.epoch(2)), list(again.epoch(2))
    assert len(first) == batches.steps_per_epoch == 6
    assert all(map(same, first, second))
    assert not same(first[0], first[1])


def test_other_seeds_and_epochs_give_other_batches(make: Make) -> None:
    usual = next(iter(make().epoch(0)))
    assert not same(usual, next(iter(make().epoch(1))))
    assert not same(usual, next(iter(make(seed=1).epoch(0))))


def test_augmentation_is_drawn_anew_at_every_step_of_every_epoch(
    clips: list[Clip], store: FeatureStore
) -> None:
    """One recording many times over: what differs, augmentation has changed."""
    alike = [replace(clip, file=clips[0].file) for clip in clips]
    recipe = Recipe(training=TrainingConfig(batch_size=12, speeds=(1.0,)))
    batches = Batches(alike, LABELS, recipe, store, 0)
    seen = {batch.features.numpy().tobytes() for epoch in (0, 1) for batch in batches.epoch(epoch)}
    assert len(seen) == 4


def test_relevelled_is_what_the_frontend_makes_of_a_limited_recording(make: Make) -> None:
    """A telephone takes most of a deep voice's power; what is left is heard louder."""
    batches = make(augment=False)
    frontend = build_frontend(FrontendConfig()).eval()
    rng = np.random.default_rng(0)
    hz = np.fft.rfftfreq(32000, 1 / 16000)
    spectrum = np.fft.rfft(rng.normal(size=32000)) / (1 + hz / 150) * (hz > 80)
    waveform, limited = (
        torch.from_numpy(np.fft.irfft(kept, 32000).astype(np.float32))[None]
        for kept in (spectrum, np.where(hz < 400, 0, spectrum))
    )
    with torch.no_grad():
        power, expected = (frontend(sound).exp().numpy() for sound in (waveform, limited))
    cut = power.copy()
    cut[:, :8] = 0
    found = batches._relevelled(cut, power)
    inside = slice(12, 60)
    gained_db = 10 * np.log10(found[:, inside].mean() / power[:, inside].mean())
    assert gained_db > 3
    assert 10 * np.log10(expected[:, inside].mean() / power[:, inside].mean()) == pytest.approx(
        gained_db, abs=0.5
    )


def test_relevel_gives_noisy_recordings_their_level_back(
    clips: list[Clip], store: FeatureStore
) -> None:
    still = AugmentConfig(
        band_limit=BandLimit(0),
        noise_floor=NoiseFloor(0),
        channel_tilt=ChannelTilt(0, 0),
        spec_augment=SpecAugment(frequency_masks=0, time_masks=0),
        mixup=Mixup(alpha=0),
    )
    noisy = replace(still, noise_floor=NoiseFloor(1.0, 0, 0))
    config = FrontendConfig()
    edges = mel_edges(config.n_mels, config.f_min, config.f_max)
    bandwidths = torch.from_numpy(edges[2:] - edges[:-2])[:, None]

    def levels(augment: AugmentConfig) -> np.ndarray:
        training = TrainingConfig(batch_size=len(clips), speeds=(1.0,))
        recipe = Recipe(augment=augment, training=training)
        batch = next(iter(Batches(clips, LABELS, recipe, store, 0).epoch(0)))
        power = batch.features.double().exp() - config.floor
        return np.asarray((bandwidths * power).sum(dim=(1, 2)))

    recorded = levels(still)
    assert (levels(noisy) > 1.3 * recorded).all()
    np.testing.assert_allclose(levels(replace(noisy, relevel=True)), recorded, rtol=0.01)


def test_an_epoch_can_be_entered_in_its_middle(make: Make) -> None:
    whole, rest = list(make().epoch(1)), list(make().epoch(1, first_step=4))
    assert len(rest) == 2
    assert all(map(same, whole[4:], rest))


def test_an_epoch_sees_every_clip_once(make: Make, clips: list[Clip], store: FeatureStore) -> None:
    batches = make(augment=False, speeds=(1.0,))
    seen = {row.numpy().tobytes() for batch in batches.epoch(0) for row in batch.features}
    assert seen == {store.get(clip).astype(np.float32).tobytes() for clip in clips}


@pytest.mark.parametrize(
    ("training", "size", "steps"),
    [
        ({"batch_size": 5}, 5, 4),
        ({"batch_size": 100}, 24, 1),
        ({"clips_per_epoch": 60}, 4, 15),
        ({"clips_per_epoch": 3}, 3, 1),
    ],
)
def test_sizes(make: Make, training: dict[str, int], size: int, steps: int) -> None:
    batches = make(augment=False, **training)
    found = [len(batch.targets) for batch in batches.epoch(0)]
    assert found == [size] * steps
    assert batches.steps_per_epoch == steps


def test_corpus_weights_change_the_draw(make: Make) -> None:
    def share_of_two(weights: dict[str, float] | None) -> float:
        batches = make(augment=False, weights=weights, clips_per_epoch=1200)
        return float(np.mean([b.allowed[:, 2].float().mean() for b in batches.epoch(0)]))

    assert share_of_two(None) == pytest.approx(0.5)
    assert share_of_two({"two": 3.0}) == pytest.approx(0.75, abs=0.05)
    assert share_of_two({"one": 4.0, "two": 1.0}) == pytest.approx(0.2, abs=0.05)


def test_class_weights_are_inverse_frequencies(make: Make) -> None:
    weights = make().class_weights()
    assert weights == pytest.approx([1.0, 1.0, 1.0])  # 8 clips of each
    batches = make()
    batches.targets = np.repeat([0, 2], [18, 6])
    weights = batches.class_weights()
    assert weights == pytest.approx([24 / (2 * 18), 0.0, 24 / (2 * 6)])
    assert weights[batches.targets].mean() == pytest.approx(1)


def test_a_corpus_allows_the_classes_that_occur_in_it(clips: list[Clip]) -> None:
    allowed = allowed_classes(clips, LABELS)
    assert allowed[0].tolist() == [True, True, False]
    assert allowed[1].tolist() == [True, False, True]


def test_mixup_blends_labels_as_it_blends_sounds(make: Make) -> None:
    batches = make()
    mixed = AugmentConfig(mixup=Mixup(alpha=5.0))
    batches.recipe = replace(batches.recipe, augment=mixed)
    for batch in batches.epoch(0):
        assert batch.targets.sum(dim=1).numpy() == pytest.approx(1)
        assert ((batch.targets > 0) & ~batch.allowed).sum() == 0
        assert batch.lengths.max() == batch.features.shape[2]
        assert torch.isfinite(batch.features).all()
    assert any(((b.targets > 0).sum(dim=1) > 1).any() for b in batches.epoch(0))


def test_long_clips_are_cropped_somewhere(make: Make) -> None:
    batches = make(augment=False, speeds=(1.0,), crop=0.2)
    epochs = [list(batches.epoch(number)) for number in range(3)]
    frames = round(0.2 * batches.recipe.model.frontend.frames_per_second)
    assert {int(n) for batch in epochs[0] for n in batch.lengths} == {frames}
    rows = {row.numpy().tobytes() for epoch in epochs for batch in epoch for row in batch.features}
    assert len(rows) > 30  # 24 clips: some were cropped at several places


def test_speeds_are_drawn(make: Make, clips: list[Clip], store: FeatureStore) -> None:
    lengths = {int(n) for batch in make(augment=False).epoch(0) for n in batch.lengths}
    assert lengths == {store.get(clips[0], speed).shape[1] for speed in (1.0, 0.9)}
    assert len(lengths) == 2


def test_one_clip_is_too_little(clips: list[Clip], store: FeatureStore) -> None:
    with pytest.raises(DataError, match="two or more clips, got 1"):
        Batches(clips[:1], LABELS, Recipe(), store, 0)


def test_a_batch_moves_to_a_device_whole(make: Make) -> None:
    batch = next(iter(make().epoch(0)))
    moved = batch.to(torch.device("meta"))
    assert {getattr(moved, name).device.type for name in vars(batch)} == {"meta"}


def test_the_folder_of_the_clips_does_not_matter(
    make: Make, clips: list[Clip], tmp_path: Path
) -> None:
    other = [replace(c, file=write_sound(tmp_path / c.file.name)) for c in clips]
    recipe = make().recipe
    moved = Batches(other, LABELS, recipe, FeatureStore(recipe.model.frontend), 0)
    assert all(map(same, make().epoch(0), moved.epoch(0)))
