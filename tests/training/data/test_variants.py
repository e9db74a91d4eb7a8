"""Variants: augmented once by seed, name and number; drawn in training, never in tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tiny_corpus import RATE

torch = pytest.importorskip("torch")

from affekt.audio import load_audio  # noqa: E402
from affekt.augment import Compose, CutMix, Gain, TimeStretch  # noqa: E402
from affekt.data import Clip  # noqa: E402
from affekt.errors import ConfigError, DataError  # noqa: E402
from affekt.models.frontend import FrontendConfig, LogMel  # noqa: E402
from affekt.training import FeatureStore, Recipe, fit, load_recipe  # noqa: E402
from affekt.training.data.batches import Batches  # noqa: E402
from affekt.training.data.features import Variant, variants_of  # noqa: E402

STRETCH = Compose((TimeStretch(),))
LABELS = ("angry", "happy", "sad")

AUGMENT = """
[augment]
variants = 4

[[augment.waveform]]
name = "time_stretch"
min_rate = 0.85

[[augment.waveform]]
name = "pitch_shift"
probability = 0.5
"""


def with_waveform(recipe: Recipe, text: str, tmp_path: Path) -> Recipe:
    """Return the recipe with the augmentation that a TOML text describes, and no other."""
    path = tmp_path / "augmented.toml"
    path.write_text(text)
    augment = load_recipe(path).augment
    quiet = {"alpha": 0.0}
    return replace(recipe, augment=replace(augment, mixup=type(augment.mixup)(**quiet)))


@pytest.fixture
def augmented(recipe: Callable[..., Recipe], tmp_path: Path) -> Recipe:
    return with_waveform(recipe(), AUGMENT, tmp_path)


def test_a_variant_is_the_chain_on_the_clip(tones) -> None:  # type: ignore[no-untyped-def]
    config, clip = FrontendConfig(), tones.train[0]
    variant = Variant(STRETCH, 1.0, seed=3, number=0)
    heard = variant.apply(load_audio(clip.file), clip, RATE)
    wanted = LogMel(config)(torch.from_numpy(heard)[None])[0].numpy()
    found = FeatureStore(config).get_variant(clip, variant)
    assert found.dtype == np.float16
    np.testing.assert_allclose(found, wanted, atol=5e-3)


def test_seed_number_and_name_decide(tones) -> None:  # type: ignore[no-untyped-def]
    clip, samples = tones.train[0], load_audio(tones.train[0].file)

    def length(clip: Clip = clip, seed: int = 3, number: int = 0) -> int:
        return len(Variant(STRETCH, 1.0, seed, number).apply(samples, clip, RATE))

    assert length() == length()
    assert length(seed=4) != length() != length(number=1)
    assert length(replace(clip, corpus="other")) != length()
    assert length(replace(clip, start=0.5)) != length()
    moved = replace(clip, file=Path("elsewhere") / clip.file.name, emotion="sad", split="train")
    assert length(moved) == length()


def test_the_order_of_the_clips_does_not_matter(tones) -> None:  # type: ignore[no-untyped-def]
    variants = [Variant(STRETCH, 1.0, 0, number) for number in range(3)]
    one, other = FeatureStore(FrontendConfig()), FeatureStore(FrontendConfig())
    one.prepare(tones.train[:5], (1.0,), None, variants)
    other.prepare(tones.train[4::-1], (1.0,), None, variants[::-1])
    for clip in tones.train[:5]:
        for variant in variants:
            assert (one.get_variant(clip, variant) == other.get_variant(clip, variant)).all()


def test_the_recording_itself_stays_as_it_is(tones) -> None:  # type: ignore[no-untyped-def]
    clip = tones.train[0]
    plain, other = FeatureStore(FrontendConfig()), FeatureStore(FrontendConfig())
    other.prepare([clip], (1.0,), None, [Variant(STRETCH, 1.1, 0, 0)])
    assert (plain.get(clip) == other.get(clip)).all()


def test_other_seeds_are_forgotten(tones, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from affekt.training.data import features

    store, clip, reads = FeatureStore(FrontendConfig()), tones.train[0], []
    original = features.load_audio
    monkeypatch.setattr(
        features, "load_audio", lambda *a, **k: reads.append(a) or original(*a, **k)
    )
    first, second = (Variant(STRETCH, 1.0, seed, 0) for seed in (0, 1))
    for variant, so_far in ((first, 1), (first, 1), (second, 2), (second, 2), (first, 3)):
        store.prepare([clip], (1.0,), None, [variant])
        assert len(reads) == so_far


def test_a_recipe_without_them_has_none(recipe: Callable[..., Recipe]) -> None:
    assert variants_of(recipe(), 0) == ()


def test_variants_take_turns_with_the_speeds(augmented: Recipe) -> None:
    training = replace(augmented.training, speeds=(1.0, 0.9, 1.1))
    made = variants_of(replace(augmented, training=training), 7)
    assert [variant.speed for variant in made] == [1.0, 0.9, 1.1, 1.0]
    assert [variant.number for variant in made] == [0, 1, 2, 3]
    assert {variant.seed for variant in made} == {7}
    assert made[0].chain.transforms[0].transform == TimeStretch(min_rate=0.85)  # type: ignore[attr-defined]
    assert made[0].chain.transforms[1].probability == 0.5  # type: ignore[attr-defined]


def test_disabled_is_disabled(augmented: Recipe) -> None:
    off = replace(augmented, augment=replace(augmented.augment, enabled=False))
    assert variants_of(off, 0) == ()


def test_batches_draw_all_variants(augmented: Recipe, tones) -> None:  # type: ignore[no-untyped-def]
    store = FeatureStore(FrontendConfig())
    variants = variants_of(augmented, 5)
    clips = store.prepare(tones.train, (1.0,), None, variants)
    batches = Batches(clips, LABELS, augmented, store, seed=5)
    lengths = {int(n) for epoch in range(8) for b in batches.epoch(epoch) for n in b.lengths}
    possible = {store.get_variant(c, v).shape[1] for c in clips for v in variants}
    assert lengths <= possible
    assert len(lengths) > 0.6 * len(possible)
    again = Batches(clips, LABELS, augmented, store, seed=5)
    for one, other in zip(batches.epoch(1), again.epoch(1), strict=True):
        assert torch.equal(one.features, other.features)


def test_without_variants_nothing_changes(recipe: Callable[..., Recipe], tones, store) -> None:  # type: ignore[no-untyped-def]
    plain = replace(recipe(), augment=replace(recipe().augment, enabled=True))
    speeds = replace(plain, training=replace(plain.training, speeds=(1.0, 0.9)))
    store.prepare(tones.train, (1.0, 0.9))
    batches = Batches(tones.train, LABELS, speeds, store, seed=5)
    # What the batches drew before there were variants and cutmix, draw by draw.
    rng = np.random.default_rng([5, 1, 0, 0])
    order = batches._order(0)[: batches.batch_size]
    items = []
    for index in order:
        features = store.get(tones.train[index], (1.0, 0.9)[rng.integers(2)])
        items.append(features[:, :300])
    length = max(item.shape[1] for item in items)
    silence = np.log(speeds.model.frontend.floor)
    power = np.full((len(items), items[0].shape[0], length), silence, dtype=np.float32)
    for row, item in zip(power, items, strict=True):
        row[:, : item.shape[1]] = item
    floor = np.float32(speeds.model.frontend.floor)
    augment = speeds.augment
    power = np.maximum(np.exp(power) - floor, 0)
    for transform in (augment.band_limit, augment.noise_floor, augment.channel_tilt):
        power = transform(power, rng)
    log_mel = augment.spec_augment(np.log(power + floor), rng, fill=batches.fill)
    share, partner = augment.mixup.draw(len(order), rng)
    if share < 1:
        log_mel = share * log_mel + (1 - share) * log_mel[partner]
    first = next(iter(batches.epoch(0)))
    assert np.array_equal(first.features.numpy(), log_mel.astype(np.float32))


def test_cutmix_gives_frames_and_as_much_of_the_label(
    recipe: Callable[..., Recipe], tones, store
) -> None:  # type: ignore[no-untyped-def]
    def bare(cutmix: CutMix) -> Recipe:
        text = recipe()
        augment = replace(
            text.augment,
            enabled=True,
            cutmix=cutmix,
            band_limit=replace(text.augment.band_limit, probability=0.0),
            noise_floor=replace(text.augment.noise_floor, probability=0.0),
            channel_tilt=replace(text.augment.channel_tilt, tilt_db=0.0, level_db=0.0),
            spec_augment=replace(text.augment.spec_augment, frequency_masks=0, time_masks=0),
            mixup=replace(text.augment.mixup, alpha=0.0),
        )
        return replace(text, augment=augment)

    store.prepare(tones.train, (1.0,))
    plain = next(iter(Batches(tones.train, LABELS, bare(CutMix()), store, 0).epoch(0)))
    mixed = next(iter(Batches(tones.train, LABELS, bare(CutMix(1.0)), store, 0).epoch(0)))
    assert torch.equal(plain.lengths, mixed.lengths)
    np.testing.assert_allclose(mixed.targets.sum(dim=1).numpy(), 1, rtol=1e-6)
    changed = (plain.features != mixed.features).any(dim=1)  # [batch, frames]
    assert changed.any()
    own = (mixed.targets * plain.targets).sum(dim=1).numpy()
    left = 1 - changed.sum(dim=1).numpy() / plain.lengths.numpy()
    other = own < 1 - 1e-6  # the partner is of another class
    assert other.any()
    np.testing.assert_allclose(own[other], left[other], atol=1e-5)


def test_training_on_variants_learns(augmented: Recipe, tones, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    longer = replace(augmented, training=replace(augmented.training, epochs=12))
    result = fit(longer, tones.train, tones.validation, tmp_path / "run")
    assert result.history[-1].validation_uar > 0.6  # chance is one third
    again = fit(longer, tones.train, tones.validation, tmp_path / "again")
    assert [row.loss for row in result.history] == [row.loss for row in again.history]


def test_a_noise_folder_that_is_not_there_stops_training(
    augmented: Recipe, tones, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    text = """
    [augment]
    variants = 1
    [[augment.waveform]]
    name = "background_noise"
    folder = "nowhere"
    """
    noisy = with_waveform(augmented, text, tmp_path)
    with pytest.raises(DataError, match="background_noise: no folder nowhere"):
        fit(noisy, tones.train, tones.validation, tmp_path / "run")


def test_noise_is_heard_in_variants_alone(augmented: Recipe, tones, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "sounds").mkdir()
    soundfile.write(tmp_path / "sounds/a.wav", np.random.default_rng(0).normal(0, 0.1, RATE), RATE)
    text = f"""
    [augment]
    variants = 1
    [[augment.waveform]]
    name = "background_noise"
    folder = {str(tmp_path / "sounds")!r}
    min_snr_db = 0
    max_snr_db = 0
    """
    store = FeatureStore(FrontendConfig())
    (variant,) = variants_of(with_waveform(augmented, text, tmp_path), 0)
    clip = tones.train[0]
    quietest = [np.quantile(f, 0.1) for f in (store.get(clip), store.get_variant(clip, variant))]
    assert quietest[1] > quietest[0] + 1  # the valleys of the log-mel are filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[augment]\nvariants = -1", "augment.variants must be 0 or more, got -1"),
        ("[augment]\nvariants = 2", r"augment.variants needs \[\[augment.waveform\]\]"),
        ('[[augment.waveform]]\nname = "gain"', "augment.waveform needs augment.variants"),
        (
            '[augment]\nvariants = 1\n[[augment.waveform]]\nname = "gain"\nloud = 1',
            r"unknown key augment.waveform\[0\].loud",
        ),
        (
            '[augment]\nvariants = 1\n[[augment.waveform]]\nname = "echo"',
            r"augment.waveform\[0\]: unknown transform 'echo'",
        ),
        ("[augment.cutmix]\nalpha = 0.0", "cutmix: alpha must be positive"),
    ],
)
def test_a_recipe_that_makes_no_sense(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)


def test_a_chain_of_gain_leaves_the_features(tones) -> None:  # type: ignore[no-untyped-def]
    store, clip = FeatureStore(FrontendConfig()), tones.train[0]
    louder = Variant(Compose((Gain(6, 6),)), 1.0, 0, 0)
    # The frontend normalises the level, as docs/augmentation.md says.
    np.testing.assert_allclose(store.get(clip), store.get_variant(clip, louder), atol=0.02)
