"""The timed process of one trial: its loop, clock, evaluations, checkpoints.

This package imports runner.protocol, runner.machine and the modules that
runner.launch shares with the process that it starts.
"""
