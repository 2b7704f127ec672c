"""Facts about this machine: kind, load, GPUs and settings.

This package imports runner.protocol.
"""
