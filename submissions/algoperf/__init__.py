"""Adapter that runs unchanged AlgoPerf submissions here, and exports ours.

Dahl et al. 2023, "Benchmarking Neural Network Training Algorithms",
arXiv:2306.07179. An AlgoPerf submission is a folder with `submission.py`, whose
functions the harness calls at every step. There are two generations: v0.5
keeps one copy of the parameters per device (`jax.pmap`), v0.6 uses `jax.jit`.

`folders` reads a submission without running it; `missing` lists the names that
a submission uses but does not get here; `import_shims` provides its imports;
`workload_adapter` is the workload that it gets, with `workload_facts` for its
targets and `batch_form` for its batches; `loop` runs its training; `export`
writes one of our submissions as an AlgoPerf folder.
"""
