"""Turn boards into a page, charts, tables and text.

Imports scoring.rank, scoring.load and runner.protocol.
"""
