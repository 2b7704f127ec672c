"""One attempt at a trial, seen from the parent: start, progress and outcome.

The trial itself is a child process. This package imports runner.protocol and
runner.machine.
"""
