"""Sizes and batches that both frameworks share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WIDTH, HEADS, SEQUENCE, WORDS, CLASSES = 32, 4, 12, 50, 10
IMAGE, AUDIO, BATCH = 32, 64, 4
CATEGORIES = (30, 30, 100, 7)
VOCABULARY, LENGTH = 500, 24
TABLES = (1000, 400, 1000, 200, 50, 400, 3000, 1000)
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 1e-2
SEED = 7
WARM_UP_STEPS, STEPS = 2, 3

Array = NDArray[np.generic]


def batch_of(name: str) -> tuple[tuple[Array, ...], Array]:
    """Give inputs and target of a network; float32 and int32."""
    random = np.random.default_rng(SEED)

    def numbers(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    def words(count: int, *shape: int) -> Array:
        return random.integers(0, count, shape).astype(np.int32)

    labels = words(CLASSES, BATCH)
    if name == "encoder":
        return (words(WORDS, BATCH, SEQUENCE), np.tile(np.arange(SEQUENCE, dtype=np.int32), (BATCH, 1))), labels
    if name == "decoder":
        mask = np.triu(np.full((SEQUENCE, SEQUENCE), -1e9, np.float32), 1)
        angle = np.outer(np.arange(SEQUENCE), 1.0 / 10.0 ** np.linspace(0, 4, WIDTH // HEADS)).astype(np.float32)
        return (words(WORDS, BATCH, SEQUENCE), mask, np.cos(angle), np.sin(angle)), words(WORDS, BATCH * SEQUENCE)
    if name in ("mobile", "inception", "unet"):
        images = numbers(BATCH, 3, IMAGE, IMAGE)
        return (images,), numbers(BATCH, 1, IMAGE, IMAGE) if name == "unet" else labels
    if name == "recommender":
        categories = np.stack([words(count, 16) for count in CATEGORIES], 1)
        return (numbers(16, 8), categories), random.integers(0, 2, 16).astype(np.float32)
    if name in ("speech", "cells"):
        return (numbers(BATCH, 4, AUDIO) if name == "speech" else words(WORDS, BATCH, SEQUENCE),), labels
    return _held_out_batch_of(name)


def _held_out_batch_of(name: str) -> tuple[tuple[Array, ...], Array]:
    random = np.random.default_rng(SEED)

    def numbers(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    def words(count: int, *shape: int) -> Array:
        return random.integers(0, count, shape).astype(np.int32)

    if name == "tied":
        mask = np.triu(np.ones((SEQUENCE, SEQUENCE), np.bool_), 1)
        return (words(WORDS, BATCH, SEQUENCE), mask), words(WORDS, BATCH * SEQUENCE)
    if name in ("mixer", "squeeze", "segment"):
        target = (
            random.random((BATCH, 1, IMAGE, IMAGE)).astype(np.float32) if name == "segment" else words(CLASSES, BATCH)
        )
        return (numbers(BATCH, 3, IMAGE, IMAGE),), target
    if name in ("memory", "gates"):
        return (numbers(BATCH, 4, AUDIO) if name == "memory" else words(WORDS, BATCH, SEQUENCE),), words(CLASSES, BATCH)
    if name == "twin":
        return (numbers(8, 24), numbers(8, 24)), random.integers(0, 2, 8).astype(np.float32)
    return _later_batch_of(name)


def _later_batch_of(name: str) -> tuple[tuple[Array, ...], Array]:
    random = np.random.default_rng(SEED)

    def numbers(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    def words(count: int, *shape: int) -> Array:
        return random.integers(0, count, shape).astype(np.int32)

    if name in ("gpt", "translator"):
        mask = np.triu(np.ones((SEQUENCE, SEQUENCE), np.bool_), 1)
        return (words(WORDS, BATCH, SEQUENCE), mask), words(WORDS, BATCH * SEQUENCE)
    if name == "recurrent":
        return (words(WORDS, BATCH, SEQUENCE),), words(WORDS, BATCH * SEQUENCE)
    if name in ("patches", "scaled", "contour"):
        images = numbers(BATCH, 3, IMAGE, IMAGE)
        edges = random.random((BATCH, 1, IMAGE, IMAGE)).astype(np.float32)
        return (images,), edges if name == "contour" else words(CLASSES, BATCH)
    return _user_batch_of(name)


def _user_batch_of(name: str) -> tuple[tuple[Array, ...], Array]:
    random = np.random.default_rng(SEED)

    def numbers(*shape: int) -> Array:
        return random.standard_normal(shape).astype(np.float32)

    def words(count: int, *shape: int) -> Array:
        return random.integers(0, count, shape).astype(np.int32)

    if name in ("mobilenet_v2", "convnext"):
        return (numbers(BATCH, 3, 64, 64),), words(CLASSES, BATCH)
    if name == "bert":
        places = np.tile(np.arange(LENGTH, dtype=np.int32), (BATCH, 1))
        mask = np.ones((BATCH, LENGTH), np.float32)
        return (words(VOCABULARY, BATCH, LENGTH), places, words(2, BATCH, LENGTH), mask), words(CLASSES, BATCH)
    if name == "vae":
        images = random.random((8, 3, IMAGE, IMAGE)).astype(np.float32)
        return (images, numbers(8, 24)), images
    if name == "dlrm":
        categories = np.stack([words(count, 32) for count in TABLES], 1)
        return (numbers(32, 13), categories), random.integers(0, 2, 32).astype(np.float32)
    if name == "llama":
        mask = np.triu(np.full((LENGTH, LENGTH), -1e9, np.float32), 1)
        angle = np.outer(np.arange(LENGTH), 1e4 ** -np.linspace(0, 1, 8, endpoint=False)).astype(np.float32)
        angle = np.concatenate([angle, angle], 1)
        return (words(VOCABULARY, 2, LENGTH), np.cos(angle), np.sin(angle), mask), words(VOCABULARY, 2 * LENGTH)
    if name == "tagger":
        return (words(VOCABULARY, BATCH, 10),), words(CLASSES, BATCH * 10)
    raise ValueError(f"no network {name!r}")
