"""Labels of any script in pictures of matplotlib."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_MORE_FONTS = (
    *("Noto Sans CJK JP", "Noto Sans CJK SC", "Source Han Sans", "WenQuanYi Micro Hei"),
    *("Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei"),
    *("Malgun Gothic", "Noto Sans Devanagari", "Noto Sans Arabic", "Arial Unicode MS"),
)
"""Fonts for what matplotlib's own lacks; those that are installed are used."""


@contextmanager
def any_script() -> Iterator[None]:
    """Draw and save figures within: what no installed font has becomes a box, without a warning.

    Where matplotlib is not installed nothing is done: what draws says so, after its own checks.
    """
    try:
        import matplotlib
        from matplotlib.font_manager import fontManager
    except ImportError:
        yield
        return
    installed = {font.name for font in fontManager.ttflist}
    family = [*matplotlib.rcParams["font.family"], *(n for n in _MORE_FONTS if n in installed)]
    with matplotlib.rc_context({"font.family": family}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield
