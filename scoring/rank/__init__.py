"""Turn times to the target into scores, intervals and boards.

Imports scoring.load and runner.protocol.
"""
