"""Ground floor: the contracts that every other package shares. It imports nothing of ours."""
