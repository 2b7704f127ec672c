"""What a submission's source uses, changes and holds, read without running it.

Imports workloads and submissions.
"""
