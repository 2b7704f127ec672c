"""One attempt at a trial, seen from outside: starts, follows and judges it.

Imports runner.protocol and runner.machine; the trial is a process of its own.
"""
