"""Reinforcement learning for allocators: an agent, its memory, the layers as an environment."""
