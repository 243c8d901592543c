"""Quantizers: how one tensor is quantized. One file each; see `quant/quantizer.py`."""
