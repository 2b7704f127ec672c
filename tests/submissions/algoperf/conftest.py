"""Fixtures of the tests of submissions written for AlgoPerf."""

from tests.support.written import alone  # noqa: F401
