"""MindSpore networks that exercise graphs, their inputs, and how they are run in each mode."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class Block(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.dense, self.norm = nn.Dense(4, 4), nn.LayerNorm((4,))

    def construct(self, x: Any, mask: Any = None) -> Any:
        y = self.norm(self.dense(x))
        if mask is not None:
            y = y * mask
        return y, (x, None)


class Nested(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.CellList([Block(), Block()])
        self.tail = nn.SequentialCell(nn.Dense(4, 4), nn.Tanh())

    def construct(self, x: Any) -> Any:
        for block in self.blocks:
            x, (before, _) = block(x, mask=x)
            x = x + before
        return self.tail(x)


class Shared(nn.Cell):
    """One module several times, in calls that do not depend on one another."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Dense(4, 4)
        self.pair = nn.SequentialCell(self.layer, nn.Tanh(), self.layer)

    def construct(self, x: Any) -> Any:
        return self.pair(x) + self.layer(x * 2) ** 2, self.layer(x * x)


class Largest(nn.Cell):
    def construct(self, x: Any) -> Any:
        return x.argmax(-1), None, 3, "text"


class Halved(nn.Cell):
    def construct(self, x: Any) -> Any:
        return x.astype(ms.bfloat16)


class Mean(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.factor = ms.Parameter(ms.Tensor(2.0, ms.float32))

    def construct(self, x: Any) -> Any:
        return (x**2).mean() * self.factor


class Numbers(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.halved, self.largest, self.mean = Halved(), Largest(), Mean()
        self.embedding = nn.Embedding(4, 4)

    def construct(self, x: Any) -> Any:
        index, _, factor, _ = self.largest(x)
        return self.mean(self.embedding(index) * factor + self.halved(x).astype(ms.float32))


class Listing(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Dense(4, 4), nn.Dense(4, 4)

    def construct(self, x: Any) -> Any:
        return [self.one(x), self.two(x)]


class Naming(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Dense(4, 4)

    def construct(self, given: Any, *, scale: Any = 1.0) -> Any:
        return {"y": self.one(given["x"]) * scale, "z": given["x"]}


class Collections(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.listing, self.naming = Listing(), Naming()

    def construct(self, x: Any) -> Any:
        both = self.listing(x)
        named = self.naming({"x": both[0] + both[1]}, scale=2.0)
        return named["y"] * named["z"]


class Jitted(nn.Cell):
    """PyNative mode runs a part of it as a graph."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner = nn.Dense(4, 4), Compiled()

    def construct(self, x: Any) -> Any:
        return self.inner(self.first(x))


class Compiled(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.SequentialCell(nn.Dense(4, 4), nn.ReLU())

    @ms.jit
    def construct(self, x: Any) -> Any:
        return self.body(x)


class Refused(nn.Cell):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.odd = nn.Dense(4, 4), Odd()

    def construct(self, x: Any) -> Any:
        return self.odd(self.first(x), ms.mutable((x, x), True))


class Odd(nn.Cell):
    """Takes a tuple of which the compiler does not know how long it is."""

    def construct(self, x: Any, others: Any) -> Any:
        return x + others[0]


NETS = {
    "nested": Nested,
    "shared": Shared,
    "numbers": Numbers,
    "collections": Collections,
    "jitted": Jitted,
    "refused": Refused,
}
X = np.random.default_rng(3).standard_normal((3, 4)).astype(np.float32)


def network(kind: str) -> Any:
    net = NETS[kind]()
    numbers = np.random.default_rng(5)
    for parameter in net.get_parameters():
        parameter.set_data(ms.Tensor(numbers.standard_normal(parameter.shape).astype(np.float32)))
    return net


def losses_and_gradients(net: Any, mode: str, steps: int) -> list[Any]:
    def loss(x: Any) -> Any:
        result = net(x)
        if isinstance(result, tuple):
            return (result[0] ** 2).mean() + result[1].mean()
        return (result**2).mean()

    step = ms.value_and_grad(loss, None, net.trainable_params())
    if mode == "jit":
        step = ms.jit(step)
    found = []
    for _ in range(steps):
        value, gradients = step(ms.Tensor(X))
        found += [value.asnumpy(), *(one.asnumpy() for one in gradients)]
    return found


def cross_entropy(result: Any, labels: Any) -> Any:
    scores = result["scores"].mean(1) if isinstance(result, dict) else result
    return ops.cross_entropy(scores, labels)
