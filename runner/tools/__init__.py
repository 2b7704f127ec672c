"""Commands around races: check, preflight, calibrate, targets, tune, forget.

This package imports every other package of runner.
"""
