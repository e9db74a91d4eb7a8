"""The graph as ONNX: made, folded, split for streams and quantised."""
