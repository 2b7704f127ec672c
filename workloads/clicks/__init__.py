"""Click logs: Criteo 1TB and the DLRM models that predict clicks.

Imports workloads.data and the shared modules of workloads; no other field.
"""
