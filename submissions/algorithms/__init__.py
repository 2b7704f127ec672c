"""Training algorithms: one file for each submission, and nothing else.

They import their common parts from the other modules of `submissions`.
"""
