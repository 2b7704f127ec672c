"""Read and check results folders line by line, and return trials.

Imports runner.protocol.
"""
