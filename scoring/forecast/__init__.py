"""Forecast what a trial would still reach, from its evaluations so far.

A forecaster is a function from a `Case` to `Paths`: sampled futures of one
trial. `mixture.forecast` pools the calibrated forecasters, and `outlook` turns
paths into the best value and the step to the target. Imports scoring.load and
runner.protocol.
"""
