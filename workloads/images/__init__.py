"""Image classification: digits, MNIST, CIFAR and ImageNet.

Imports workloads.data and the shared modules of workloads; no other field.
"""
