"""Checkpoints: weights and optimizer state as frameworks store them, read without any of them."""
