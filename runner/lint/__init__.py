"""Reading of a submission's source, without running it: uses, changes, data.

Imports workloads and submissions.
"""
