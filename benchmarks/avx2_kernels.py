"""Have an environment's ONNX Runtime take the kernels of a processor with AVX2 alone.

    python benchmarks/avx2_kernels.py .venv-avx2/bin/python

Half of the laptops in use have neither AVX-512 nor VNNI. Where a processor has both, this changes
the library of another environment so that it never finds AVX-512: its kernels then run at full
speed, which an emulator's do not. A sum that only kernels without VNNI saturate proves it.
Made for the wheels of Linux on x86_64; where the instructions are not found, nothing is changed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHECK = re.compile(rb"\xf7\xd0\xa8\xe0(\x0f\x84....)", re.DOTALL)
"""Are the registers of AVX-512 in use (not eax; test al, 0xe0)? If they are, jump."""
NO_OPERATION = b"\x90"
CHANGED = re.compile(rb"\xf7\xd0\xa8\xe0" + NO_OPERATION * 6)

LIBRARY = "import onnxruntime.capi.onnxruntime_pybind11_state as state; print(state.__file__)"
PROOF = """
import numpy, onnxruntime, sys
session = onnxruntime.InferenceSession(sys.argv[1])
print(session.run(None, {"x": numpy.ones((1, 64), numpy.float32)})[0].max())
"""


def main() -> None:
    """Change the library, and show that it has been changed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("python", type=Path, help="the Python of the environment to change")
    python = parser.parse_args().python
    told = subprocess.run([python, "-c", LIBRARY], check=True, stdout=subprocess.PIPE, text=True)
    take_avx2_kernels(Path(told.stdout.strip()))
    with tempfile.TemporaryDirectory() as folder:
        product = write_product(Path(folder) / "product.onnx", 127)
        told = subprocess.run(
            [python, "-c", PROOF, product], check=True, stdout=subprocess.PIPE, text=True
        )
    if float(told.stdout) > 63:
        raise SystemExit(f"error: {python}: its kernels are not those of AVX2 alone")
    print(f"{python}: a sum of 64 is {told.stdout.strip()}, as with AVX2 alone")


def take_avx2_kernels(library: Path) -> None:
    """Change the library of an environment, if it is not changed yet."""
    content = library.read_bytes()
    found = list(CHECK.finditer(content))
    if CHANGED.search(content):
        return
    if len(found) != 1:
        raise SystemExit(f"error: {library}: no check for AVX-512 is found; nothing is changed")
    start, end = found[0].span(1)
    library.unlink()  # a package manager may have linked the file into several environments
    library.write_bytes(content[:start] + NO_OPERATION * (end - start) + content[end:])
    library.chmod(0o755)


def write_product(path: Path, largest: int) -> Path:
    """A product of 64 activations and weights in int8, of which all have the largest number."""
    scale, zero = numpy_helper.from_array(np.float32(1 / 255), "scale"), "zero"
    weights = np.full((64, 16), largest, dtype=np.int8)
    constants = [
        scale,
        numpy_helper.from_array(np.int8(-128), zero),
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(np.float32(1 / largest), "weight_scale"),
        numpy_helper.from_array(np.int8(0), "weight_zero"),
        numpy_helper.from_array(np.float32(64 / 255), "y_scale"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", zero], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "scale", zero], ["x_"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], ["w_"]),
        helper.make_node("MatMul", ["x_", "w_"], ["y_"]),
        helper.make_node("QuantizeLinear", ["y_", "y_scale", zero], ["y8"]),
        helper.make_node("DequantizeLinear", ["y8", "y_scale", zero], ["y"]),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", 64), ("y", 16))
    ]
    graph = helper.make_graph(nodes, "product", ports[:1], ports[1:], constants)
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


if __name__ == "__main__":
    main()
