"""Text: WMT translation and language models on FineWeb-Edu.

Imports workloads.data and the shared modules of workloads; no other field.
"""
