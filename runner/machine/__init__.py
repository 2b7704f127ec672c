"""Facts about this machine: its kind, its load, its cards and its settings.

Imports runner.protocol.
"""
