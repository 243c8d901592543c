"""QONNX in: an ONNX file with quantizers becomes an IntegerGraph, exactly, or is refused by name."""
