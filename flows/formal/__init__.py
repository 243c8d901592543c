"""Formal proofs about the hardware, through yowasp-sby and z3: `python -m flows.formal`.

bench.py       a component with free inputs, what is assumed, what is claimed
proof.py       a named claim, and how far it must hold
sby.py         runs one
catalogue.py   all of them
"""
