"""QONNX in: an ONNX file with quantizers as an IntegerGraph, exactly, or refused by name."""
