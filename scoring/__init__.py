"""Score results folders: leaderboards, reports and doubts.

Imports runner.protocol, and nothing else of runner; never JAX.
"""
