"""Training and quantization in PyTorch: data, networks, quantizers, allocators, integerization."""
