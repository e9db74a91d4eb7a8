"""The emotions by their canonical names, their synonyms, and where they lie.

The corpora that affekt reads are mapped to nine English adjectives and nouns. Common words for
these in the large languages are understood; any other label is kept as it is written.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from affekt.errors import DataError
from affekt.files import table_cell

EMOTIONS: tuple[str, ...] = (
    "angry",
    "boredom",
    "calm",
    "disgust",
    "fearful",
    "happy",
    "neutral",
    "sad",
    "surprised",
)
"""All canonical emotions, in alphabetical order."""

SHARED_EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fearful", "happy", "neutral", "sad")
"""The six emotions that RAVDESS, EMO-DB and CREMA-D have in common."""

OWN_LABELS: Mapping[str, tuple[str, ...]] = MappingProxyType({"baved": ("low", "high")})
"""Labels of corpora, by their names, that are no emotions: levels of expression."""

INTENSITIES: Mapping[str, float] = MappingProxyType(
    {"low": 0.0, "mild": 0.0, "normal": 0.3, "medium": 0.5, "high": 1.0, "strong": 1.0}
)
"""What the corpora's own words for intensity mean, from 0 (faint) to 1 (strong)."""

_SYNONYMS: Mapping[str, str] = {
    "angry": (
        "anger ang rage mad ärger aergerlich ärgerlich wut wütend wuetend zorn "
        "zornig colère en_colère fâché enojo enojado ira enfado enfadado rabia rabbia arrabbiato "
        "raiva zangado gniew boos woede гнев злость злой غضب गुस्सा 愤怒 憤怒 生气 生氣 生气/angry "
        "怒 怒り 화남 분노"
    ),
    "boredom": (
        "bored bor boring langeweile gelangweilt ennui ennuyé aburrimiento aburrido noia annoiato "
        "tédio entediado verveling скука 无聊 無聊 退屈 지루함"
    ),
    "calm": (
        "calmness cal relaxed ruhig ruhe entspannt gelassen calme calma calmo tranquilo tranquillo "
        "kalm спокойствие هدوء शांत 平静 平靜 冷静 穏やか 平穏 차분함 평온"
    ),
    "disgust": (
        "disgusted dis disgusting ekel angeekelt dégoût dégoûté asco disgusto disgustado nojo "
        "walging отвращение اشمئزاز घृणा 厌恶 厭惡 厌恶/disgusted 嫌悪 혐오"
    ),
    "fearful": (
        "fear fea anxiety anxious afraid scared anxiety/fear angst ängstlich aengstlich furcht "
        "furchtsam peur effrayé apeuré miedo temor asustado temeroso paura spaventato impaurito "
        "medo assustado strach страх خوف डर 恐惧 恐懼 害怕 恐惧/fearful 恐怖 恐れ 공포 두려움 불안"
    ),
    "happy": (
        "happiness hap joy joyful cheerful freude fröhlich froehlich freudig glücklich gluecklich "
        "joie joyeux heureux alegría alegre felicidad feliz gioia felice felicità allegria "
        "alegria felicidade blij радость счастье سعادة खुशी 高兴 高興 快乐 快樂 开心 開心 "
        "开心/happy 喜び 嬉しい 幸せ 기쁨 행복"
    ),
    "neutral": (
        "neu none neutre neutro neutrale neutra neutraal нейтральный محايد तटस्थ 中性 "
        "中立 中立/neutral 平常 ニュートラル 중립 무감정"
    ),
    "sad": (
        "sadness sorrow trauer traurig traurigkeit tristesse triste tristeza tristezza verdriet "
        "грусть печаль حزن उदास 悲伤 悲傷 难过 難過 难过/sad 伤心 傷心 悲しみ 悲しい 슬픔"
    ),
    "surprised": (
        "surprise sur pleasant_surprise ps überrascht ueberrascht überraschung ueberraschung "
        "surpris sorpresa sorprendido sorpreso surpresa surpreso surpreendido verrassing удивление "
        "مفاجأة आश्चर्य 惊讶 驚訝 惊喜 吃惊 吃驚 吃惊/surprised 驚き 놀람 놀라움"
    ),
}
"""By emotion, words that mean it: English, German, French, Spanish, Italian, Portuguese, and the
commonest of Dutch, Russian, Arabic, Hindi, Chinese, Japanese and Korean."""


def _key(word: str) -> str:
    """Return a word as it is looked up: in one spelling, without case and Latin accents."""
    return "_".join(_without_accents(unicodedata.normalize("NFC", word).casefold()).split())


def _without_accents(word: str) -> str:
    """Return a word without accents on Latin letters; those of other scripts tell words apart."""
    kept = ""
    for sign in word:
        base = unicodedata.normalize("NFD", sign)[0]
        kept += base if base.isascii() else sign
    return kept


SYNONYMS: Mapping[str, str] = MappingProxyType(
    {
        _key(word): emotion
        for emotion, words in _SYNONYMS.items()
        for word in (emotion, *words.split())
    }
)
"""Word, in lower case and without accents, to canonical emotion."""

CIRCUMPLEX: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "angry": (-0.51, 0.59, 0.25),
        "boredom": (-0.65, -0.62, -0.33),
        "calm": (0.47, -0.83, 0.61),
        "disgust": (-0.60, 0.35, 0.11),
        "fearful": (-0.64, 0.60, -0.43),
        "happy": (0.81, 0.51, 0.46),
        "neutral": (0.0, 0.0, 0.0),
        "sad": (-0.63, -0.27, -0.33),
        "surprised": (0.40, 0.67, -0.13),
    }
)
"""Valence, arousal and dominance of each emotion, each from -1 to 1: mean ratings of Russell and
Mehrabian, "Evidence for a three-factor theory of emotions", Journal of Research in Personality 11
(1977), table 4; of 'calm', which is not there, those of Warriner, Kuperman and Brysbaert, "Norms of
valence, arousal, and dominance for 13,915 English lemmas", Behavior Research Methods 45 (2013),
brought from 1 to 9 to this range; 'neutral' is the origin."""


def canonical(name: str) -> str:
    """Return the label for a word: the canonical emotion where it means one, else as written.

    Parameters
    ----------
    name : str
        In any case: ``"Anger"``, ``"HAP"``, ``"Traurig"``, ``"frustrated"``.

    Returns
    -------
    str
        Of `EMOTIONS`, or the word in one spelling of its signs (Unicode NFC), without spaces
        around it.

    Raises
    ------
    DataError
        If it is empty, or no output format could show it.
    """
    word = " ".join(unicodedata.normalize("NFC", name).split())
    emotion = SYNONYMS.get(_key(word))
    if emotion is not None:
        return emotion
    if not word or table_cell(word) != word:
        raise DataError(
            f"{name!r} cannot be a label: take a word without control characters that does not "
            "begin with = + - or @"
        )
    return word


def check_labels(labels: Iterable[str], where: str) -> None:
    """Refuse labels that are one word in two spellings.

    Parameters
    ----------
    labels : iterable of str
        What :func:`canonical` gives.
    where : str
        Named in the error.

    Raises
    ------
    DataError
        If two differ only in case or in accents.
    """
    seen: dict[str, str] = {}
    for label in labels:
        other = seen.setdefault(_key(label), label)
        if other != label:
            raise DataError(
                f"{where}: the labels {other!r} and {label!r} differ only in case or accents: "
                "write them alike, or name them more clearly"
            )
