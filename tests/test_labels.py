from __future__ import annotations

import pytest

from affekt.errors import DataError
from affekt.labels import CIRCUMPLEX, EMOTIONS, SHARED_EMOTIONS, SYNONYMS, canonical, check_labels


@pytest.mark.parametrize(
    ("word", "emotion"),
    [("Anger", "angry"), (" HAP ", "happy"), ("fear", "fearful"), ("sadness", "sad"),
     ("surprise", "surprised"), ("neutral", "neutral"), ("Bored", "boredom")],
)  # fmt: skip
def test_everyday_words_are_understood(word: str, emotion: str) -> None:
    assert canonical(word) == emotion


@pytest.mark.parametrize(
    ("word", "emotion"),
    [("Ängstlich", "fearful"), ("aengstlich", "fearful"), ("A\u0308rger", "angry"),
     ("en colère", "angry"), ("TRISTEZA", "sad"), ("felicità", "happy"), ("raiva", "angry"),
     ("悲しみ", "sad"), ("高兴", "happy"), ("生气/angry", "angry"),
     ("吃惊", "surprised"), ("伤心", "sad"), ("嬉しい", "happy"), ("놀라움", "surprised"),
     ("놀람", "surprised"), ("скука", "boredom")],
)  # fmt: skip
def test_common_words_of_other_languages_are_understood(word: str, emotion: str) -> None:
    assert canonical(word) == emotion


@pytest.mark.parametrize(
    ("word", "label"),
    [("frustrated", "frustrated"), (" Très  ému ", "Très ému"), ("ge\u0302ne\u0301", "gêné"),
     ("がっかり", "がっかり"), ("좌절", "좌절"), ("hungry", "hungry"), ("-", "-")],
)  # fmt: skip
def test_other_words_are_kept_as_they_are_written(word: str, label: str) -> None:
    assert canonical(word) == label


@pytest.mark.parametrize("word", ["", "  ", "=sum(a)", "-angry", "a\x1bb", "a\u202eb"])
def test_what_no_output_can_show_is_no_label(word: str) -> None:
    with pytest.raises(DataError, match="cannot be a label"):
        canonical(word)


@pytest.mark.parametrize("pair", [("Tired", "tired"), ("gene", "gêne"), ("big mood", "Big_mood")])
def test_labels_that_differ_in_case_or_accents_alone(pair: tuple[str, str]) -> None:
    with pytest.raises(DataError, match=f"x.csv: the labels '{pair[0]}' and '{pair[1]}' differ"):
        check_labels(["sad", *pair], "x.csv")


def test_signs_of_other_scripts_tell_labels_apart() -> None:
    check_labels(["か", "が", "sad", "sad"], "x.csv")


def test_the_tables_speak_of_the_same_emotions() -> None:
    assert list(EMOTIONS) == sorted(EMOTIONS)
    assert set(SYNONYMS.values()) == set(CIRCUMPLEX) == set(EMOTIONS)
    assert set(SHARED_EMOTIONS) <= set(EMOTIONS)
    assert all(SYNONYMS[emotion] == emotion for emotion in EMOTIONS)
    assert all(word == word.strip().lower() for word in SYNONYMS)
    assert all(abs(value) <= 1 for point in CIRCUMPLEX.values() for value in point)
