"""Boards and documents as a folder that any static host serves.

Imports runner.protocol and the command line of workloads; nothing of scoring.
"""
