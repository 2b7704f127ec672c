"""The timed process of one trial: its loop, clock, evaluations, checkpoints.

Imports runner.protocol, runner.machine and what runner.launch shares with the
process that it starts.
"""
