"""Order and places of a race's trials: this machine, Slurm or Ray.

This package imports runner.launch, runner.machine and runner.protocol.
"""
