"""The order of the trials of a race, and where each runs: here, Slurm or Ray.

Imports runner.launch, runner.machine and runner.protocol.
"""
