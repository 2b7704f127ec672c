"""Molecules: ogbg-molpcba and the graph network.

Imports workloads.data and the shared modules of workloads; no other field.
"""
