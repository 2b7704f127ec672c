"""Trials on several hosts: how they connect, and what only the first one does.

`runner.trial.multihost` has the agreement between them. May import what
`runner.trial` may.
"""
