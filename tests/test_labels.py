from __future__ import annotations

import pytest

from affekt.errors import DataError
from affekt.labels import CIRCUMPLEX, EMOTIONS, SHARED_EMOTIONS, SYNONYMS, canonical


@pytest.mark.parametrize(
    ("word", "emotion"),
    [("Anger", "angry"), (" HAP ", "happy"), ("fear", "fearful"), ("sadness", "sad"),
     ("surprise", "surprised"), ("neutral", "neutral"), ("Bored", "boredom")],
)  # fmt: skip
def test_everyday_words_are_understood(word: str, emotion: str) -> None:
    assert canonical(word) == emotion


@pytest.mark.parametrize("word", ["", "hungry", "happyy"])
def test_an_unknown_word_is_an_error_that_lists_the_emotions(word: str) -> None:
    with pytest.raises(DataError, match=rf"unknown emotion '{word}'.*angry, boredom"):
        canonical(word)


def test_the_tables_speak_of_the_same_emotions() -> None:
    assert list(EMOTIONS) == sorted(EMOTIONS)
    assert set(SYNONYMS.values()) == set(CIRCUMPLEX) == set(EMOTIONS)
    assert set(SHARED_EMOTIONS) <= set(EMOTIONS)
    assert all(SYNONYMS[emotion] == emotion for emotion in EMOTIONS)
    assert all(word == word.strip().lower() for word in SYNONYMS)
    assert all(abs(value) <= 1 for point in CIRCUMPLEX.values() for value in point)
