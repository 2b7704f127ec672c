"""What is judged: one file for each training algorithm, and nothing else.

Imports what algorithms are made of: the modules of submissions beside it.
"""
