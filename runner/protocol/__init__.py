"""What runner and scoring agree on: suites, plans, files, columns, attempts.

Imports the standard library, and nothing that needs JAX.
"""
