"""Scans of knees: fastMRI and the U-Net.

Imports workloads.data and the shared modules of workloads; no other field.
"""
