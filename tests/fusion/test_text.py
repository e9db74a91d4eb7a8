"""The text model that ships: what it says, what it refuses, its size, and its file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from affekt.errors import DataError, ModelError
from affekt.fusion import TextModel, read_words, text_model
from affekt.fusion.text import ASSET, Grams, ngrams


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I am so happy that you came, thank you!", "happy"),
        ("This makes me furious, I hate those idiots.", "angry"),
        ("I'm so sorry for your loss. I miss her and I cried all night.", "sad"),
        ("I was scared to death, that is terrifying.", "fearful"),
        ("Wow, I did not expect that at all, what a surprise!", "surprised"),
        ("It is eleven o'clock.", "neutral"),
    ],
)
def test_plain_sentences_are_understood(text: str, emotion: str) -> None:
    scores = text_model().predict(text)
    assert sum(scores.values()) == pytest.approx(1)
    assert max(scores, key=lambda label: scores[label]) == emotion


def test_the_answer_of_a_text_is_the_mean_of_its_sentences_by_words() -> None:
    model = text_model()
    one, other = "I love this so much!", "That is disgusting and gross, I feel sick."
    parts = [np.array(list(model.predict(text).values())) for text in (one, other)]
    whole = np.array(list(model.predict(f"{one} {other}").values()))
    assert whole == pytest.approx((5 * parts[0] + 8 * parts[1]) / 13)
    assert list(model.predict([one, "", other]).values()) == pytest.approx(whole)


@pytest.mark.parametrize("text", ["", " \n", "...", "12 34", "😀"])
def test_empty_text_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="the text is empty: it holds no words"):
        text_model().predict(text)


@pytest.mark.parametrize(
    "text",
    [
        "Heute Abend könnte ich es ihm sagen, aber ich traue mich nicht.",
        "Je ne sais pas pourquoi elle est si triste aujourd'hui.",
        "Jeg glæder mig rigtig meget til sommerferien i år.",
        "Сегодня очень хорошая погода, и мы идём гулять.",
        "今日はとても嬉しいです",
    ],
)
def test_other_languages_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="seems to be of another language"):
        text_model().predict(text)


def test_the_model_is_small() -> None:
    assert ASSET.stat().st_size < 4_000_000


def test_a_model_comes_back_from_its_file(tmp_path: Path) -> None:
    text_model().save(tmp_path / "text.npz")
    again = TextModel.load(tmp_path / "text.npz")
    text = "I can't believe it, this is wonderful."
    assert again.predict(text) == pytest.approx(text_model().predict(text))
    (tmp_path / "text.npz").write_bytes(b"PK\x03\x04 no more of it")
    with pytest.raises(ModelError, match="the text model cannot be read"):
        TextModel.load(tmp_path / "text.npz")


def test_grams_add_their_weights_by_tf_idf() -> None:
    counts = ngrams("so so good")["words"]
    keys = list(counts)  # so, good, so so, so good
    assert list(counts.values()) == [2, 1, 1, 1]
    rarity, weights = np.array([1.0, 2.0]), np.array([[1.0, -0.5], [0.0, 2.0]])
    grams = Grams.of(keys[:2], rarity, weights)
    values = np.array([(1 + np.log(2)) * 1.0, 2.0])
    expected = values @ weights / np.sqrt((values**2).sum())
    assert grams.logits(counts) == pytest.approx(expected, rel=0.01)
    assert grams.logits({123: 1}) == pytest.approx([0, 0])


SRT = """1
00:00:00,000 --> 00:00:01,500
[angry 81%]
<i>I hate</i> this.

2
00:00:02,000 --> 00:00:03,000
It is
fine now.
"""


def test_words_of_transcripts_are_read(tmp_path: Path) -> None:
    subtitles = tmp_path / "a.srt"
    subtitles.write_text(SRT, encoding="utf-8")
    assert read_words(subtitles) == ["I hate this.", "It is fine now."]
    segments = [{"start": 0, "end": 1, "text": " Yes."}, {"start": 1, "end": 2, "text": "No."}]
    spoken = tmp_path / "a.json"
    spoken.write_text(json.dumps({"segments": segments}), encoding="utf-8")
    assert read_words(spoken) == [" Yes.", "No."]
    plain = tmp_path / "a.txt"
    plain.write_text("One. Two!\nThree", encoding="utf-8")
    assert read_words(plain) == ["One.", "Two!", "Three"]
    plain.write_text("word " * 300_000, encoding="utf-8")
    with pytest.raises(DataError, match="1500000 characters are more than 1,000,000"):
        read_words(plain)
    with pytest.raises(DataError, match="cannot be read"):
        read_words(tmp_path / "none.txt")
