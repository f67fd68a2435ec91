"""Readers of what PyTorch records: Kineto and legacy traces, execution traces."""
