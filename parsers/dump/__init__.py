"""Readers of tensors: dumps, saved arrays and recorded statistics."""
