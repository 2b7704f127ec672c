"""Speech recognition: LibriSpeech with Conformer and DeepSpeech.

Imports workloads.data and the shared modules of workloads; no other field.
"""
