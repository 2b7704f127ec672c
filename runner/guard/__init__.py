"""Guards of the time: what a submission must not run while nothing is charged.

Imports workloads.
"""
