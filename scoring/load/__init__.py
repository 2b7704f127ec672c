"""Results folders, checked line by line, become trials in memory.

Imports runner.protocol.
"""
