"""What both frameworks must agree on: sizes of the network, seeds, batches, and how large gradients are sampled."""

from __future__ import annotations

import math

import numpy as np

IMAGE = 64
PATCH = 16
CHANNELS = 3
WIDTH = 192
DEPTH = 4
HEADS = 3
MLP_RATIO = 4
CLASSES = 10
LAYER_NORM_EPS = 1e-6

WEIGHT_SEED = 20
BATCH_SEED = 21
LEARNING_RATE = 0.01
MOMENTUM = 0.9

PROFILE_BATCH = 8
PROFILED_STEPS = 3
TENSOR_BATCH = 1

GRADIENT_ELEMENTS_KEPT = 2048
LARGEST_WHOLE_GRADIENT = 8192


def batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (size, 3, 64, 64) float32, standard normal, and labels (size,) int32; the same for every caller."""
    source = np.random.default_rng(BATCH_SEED)
    images = source.standard_normal((size, CHANNELS, IMAGE, IMAGE)).astype(np.float32)
    labels = source.integers(0, CLASSES, size).astype(np.int32)
    return images, labels


def gradient_stride(elements: int) -> int:
    """Step at which the flattened gradient is sampled; 1 keeps it whole.

    The step shares no factor with the element count, hence none with any dimension: otherwise a sample would visit
    a few columns of the matrix only.
    """
    if elements <= LARGEST_WHOLE_GRADIENT:
        return 1
    stride = math.ceil(elements / GRADIENT_ELEMENTS_KEPT)
    while math.gcd(stride, elements) > 1:
        stride += 1
    return stride


def sampled_gradient(gradient: np.ndarray) -> np.ndarray:
    """The gradient as it is stored: whole with its shape, or `gradient.reshape(-1)[::stride]`."""
    stride = gradient_stride(gradient.size)
    return gradient if stride == 1 else gradient.reshape(-1)[::stride]
