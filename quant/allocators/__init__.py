"""Allocators: how many bits each layer gets. One file each; see `quant/allocator.py`."""
