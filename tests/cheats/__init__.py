"""Submissions that cheat, each in one way, and what must happen to them."""
