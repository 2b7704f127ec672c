"""Runs submissions written for AlgoPerf as they are, and writes some.

Dahl et al. 2023, "Benchmarking Neural Network Training Algorithms",
arXiv:2306.07179. A submission there is a folder with `submission.py`, whose
functions the harness calls at every step. There are two generations: v0.5,
which gives every device its own copy (`jax.pmap`), and v0.6 (`jax.jit`).

`folders` reads one without running it; `missing` says what it wants that is not
offered here; `surface` makes what it imports; `view` is the workload that it
sees; `loop` drives it; `export` writes ours as one.
"""
