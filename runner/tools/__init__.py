"""Commands around races: check, preflight, calibrate, targets, tune, forget.

Imports every other room of runner.
"""
