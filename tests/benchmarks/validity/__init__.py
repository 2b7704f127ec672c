"""Compare ranks on mini with published ranks, and with other ranks on mini."""
