"""Where ONNX Runtime computes: the chosen device, or an error."""

from __future__ import annotations

from importlib import import_module

from affekt.errors import ConfigError, ModelError

CPU = "cpu"
PROVIDERS = {
    CPU: ("CPUExecutionProvider",),
    # Shapes are small integers, which the processor handles best: it stays in the list.
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
"""By device, the execution providers in the order in which they are offered a node."""


def providers_of(device: str) -> list[str]:
    """Return the execution providers of a device.

    Raises
    ------
    ConfigError
        If there is no such device.
    ModelError
        If the installed ONNX Runtime cannot use it.
    """
    if device not in PROVIDERS:
        raise ConfigError(f"unknown device {device!r}: expected one of {', '.join(PROVIDERS)}")
    import onnxruntime

    available = onnxruntime.get_available_providers()
    wanted = PROVIDERS[device][0]
    if wanted not in available:
        raise ModelError(
            f"--device {device} needs {wanted}, and the installed onnxruntime has only "
            f"{', '.join(available)}: pip install onnxruntime-gpu in its place, or take cpu"
        )
    return [name for name in PROVIDERS[device] if name in available]


def check_in_use(device: str, in_use: list[str]) -> None:
    """Check that a session runs on the chosen device: with a missing library it falls back.

    Raises
    ------
    ModelError
        If it runs elsewhere.
    """
    wanted = PROVIDERS[device][0]
    if wanted not in in_use:
        raise ModelError(
            f"--device {device}: {wanted} is installed but did not start (it runs on "
            f"{', '.join(in_use)}): check the driver and the CUDA, cuDNN and TensorRT libraries"
        )


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
