"""Instruction sets of the processor, which decide the kernels of a runtime."""

from __future__ import annotations

from importlib import import_module

KNOWN = {
    "AVX2": "AVX2",
    "AVX512F": "AVX-512",
    "AVX512VNNI": "VNNI",
    "ASIMD": "NEON",
    "ASIMDDP": "dot product",
    "SVE": "SVE",
}
"""By numpy's name, the instruction sets that decide how int8 is multiplied."""


def instruction_sets() -> tuple[str, ...]:
    """Names of the instruction sets of this processor, of those in ``KNOWN``.

    As numpy finds them by asking the processor itself, which also holds under an emulator; empty
    where numpy does not tell.
    """
    for package in ("numpy._core", "numpy.core"):  # since numpy 2, and before
        try:
            found = import_module(f"{package}._multiarray_umath").__cpu_features__
        except (ImportError, AttributeError):
            continue
        return tuple(name for feature, name in KNOWN.items() if found.get(feature))
    return ()
