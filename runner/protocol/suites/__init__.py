"""Suites: workloads, targets, budgets and rules of a race, from their files."""
