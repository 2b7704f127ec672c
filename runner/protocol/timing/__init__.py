"""Accounts of the clock, programs of trials, and their time profiles.

They say which seconds are charged, and where those of untimed trials come from.
May import `runner.protocol`, nothing else.
"""
