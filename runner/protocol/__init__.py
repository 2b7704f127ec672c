"""Formats shared by runner and scoring: suites, plans, columns, attempts.

This package imports the standard library, and nothing that needs JAX.
"""
