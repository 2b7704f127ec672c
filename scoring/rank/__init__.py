"""Times to targets become scores, intervals and boards.

Imports scoring.load and runner.protocol.
"""
