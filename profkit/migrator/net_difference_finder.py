"""`NetDifferenceFinder`: a torch and a MindSpore network, run on the same weights and inputs, and where they differ."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from types import TracebackType
from typing import Any

import pandas as pd

from profkit.difference_finder import Differences, NetSide, ProcessSide, find_differences
from profkit.difference_finder.cases import cases_of
from profkit.difference_finder.differences import Settings
from profkit.difference_finder.net_side import Side
from profkit.errors import ProfkitError
from profkit.migrator.printed_tables import print_parity, print_table
from profkit.safe_text import printable

_CONVERSIONS = {0: False, 1: True}


class NetDifferenceFinder:
    """Runs both networks and names the modules that differ by themselves; neither network is changed.

    A network is given as it is, or as "file.py:function" that makes it: that one is made and run in a process of its
    own, with pt_python or ms_python, which need only the one framework each.
    """

    def __init__(
        self,
        pt_net: Any,
        ms_net: Any,
        print_level: int = 1,
        pt_params_path: Any = None,
        ms_params_path: Any = None,
        auto_conv_ckpt: int = 1,
        compare_params: bool = True,
        fix_seed: int = 16,
        *,
        pt_loss: Any = None,
        ms_loss: Any = None,
        pt_optimizer: Any = None,
        ms_optimizer: Any = None,
        pt_python: str | None = None,
        ms_python: str | None = None,
    ) -> None:
        """Hold both networks.

        Args:
            pt_net: torch.nn.Module, or "file.py:function".
            ms_net: mindspore.nn.Cell, or "file.py:function".
            print_level: 0 prints nothing, 1 the tables and the verdict, 2 also every module.
            pt_params_path: Checkpoint for the torch network to load first.
            ms_params_path: Checkpoint for the MindSpore network to load first; then none is converted.
            auto_conv_ckpt: 1 gives the MindSpore network the weights of the torch network; 0 leaves it its own.
            compare_params: Print the weights' parity, which is judged in any case.
            fix_seed: For everything random.
            pt_loss: Given the network's result and the labels, gives the loss; "file.py:function" for a network in its
                own process. Without both losses a fixed sum of the results stands for it.
            ms_loss: As pt_loss.
            pt_optimizer: An optimizer of the network, or what makes one of it, for one step; None for no step.
            ms_optimizer: As pt_optimizer.
            pt_python: Interpreter for a network in its own process; None for the present one.
            ms_python: As pt_python.

        Raises:
            ProfkitError: One is no network, or an argument is none.
        """
        if auto_conv_ckpt not in _CONVERSIONS:
            raise ProfkitError(f"auto_conv_ckpt {auto_conv_ckpt!r} is unknown", "1 converts the weights, 0 does not")
        _require_both("a loss", "pt_loss and ms_loss", pt_loss, ms_loss)
        _require_both("an optimizer", "both", pt_optimizer, ms_optimizer)
        self._print_level, self._compare_params, self._seed = print_level, compare_params, fix_seed
        self._load_weights = _CONVERSIONS[auto_conv_ckpt] and ms_params_path is None
        self._steps = pt_optimizer is not None
        self._sides: list[Side] = []
        try:
            self._add("pytorch", pt_params_path, pt_net, pt_loss, pt_optimizer, pt_python)
            self._add("mindspore", ms_params_path, ms_net, ms_loss, ms_optimizer, ms_python)
        except BaseException:
            self.close()
            raise

    def _add(self, framework: str, weights: Any, net: Any, loss: Any, optimizer: Any, python: str | None) -> None:
        side = _side(net, loss, optimizer, python)
        self._sides.append(side)
        if side.framework != framework:
            raise ProfkitError(f"the network for {framework} is one of {side.framework}", "pt_net comes first")
        if weights is not None:
            side.load_weights(os.fspath(weights))

    def compare(
        self,
        inputs: Any = None,
        auto_inputs: Any = None,
        rtol: float | None = 1e-4,
        atol: float | None = 1e-4,
        equal_nan: bool = False,
        *,
        labels: Any = None,
        train: bool = False,
        backward: bool = True,
    ) -> Differences:
        """Run both networks on the inputs, print what was found and give it.

        Args:
            inputs: One case: a tuple of arguments, or a dict of them by name; each an array, a tensor of either
                framework, a .npy file, a plain value, or nested tuples, lists and dicts. Or several: a list or
                generator of such.
            auto_inputs: ((shape, dtype), ...) for random numbers, or {"input": ((shape, dtype), ...), "num": cases}.
            rtol: For the results of the networks and the loss; modules are held to what rounding leaves.
            atol: As rtol.
            equal_nan: Take NaN at the same places for agreement in the results.
            labels: What the losses are given besides the result, of every case.
            train: Run in training mode; else in evaluation.
            backward: Compare gradients as well.

        Raises:
            ProfkitError: There is no input, or a network cannot be run on it.
        """
        cases = zip(_several(cases_of(inputs, auto_inputs, self._seed)), repeat(labels), strict=False)
        settings = Settings(
            seed=self._seed, load_weights=self._load_weights, train=train, backward=backward, optimizer=self._steps,
            rtol=rtol, atol=atol, equal_nan=equal_nan,
        )  # fmt: skip
        found = find_differences(self._sides[0], self._sides[1], cases, settings)
        self._print(found)
        return found

    def close(self) -> None:
        """End the processes that were started for networks."""
        for side in self._sides:
            side.close()
        self._sides = []

    def __enter__(self) -> NetDifferenceFinder:
        """Close it at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes that were started for networks."""
        self.close()

    def __del__(self) -> None:
        """End them at the latest when nobody holds it."""
        if getattr(self, "_sides", None):
            self.close()

    def _print(self, found: Differences) -> None:
        if self._print_level == 0:
            return
        sides = ("pytorch", "mindspore")
        if self._compare_params and len(found.weights):
            print_parity(found.weights, "The comparison results of the weights", sides=sides, shapes=True)
        if self._print_level > 1:
            print_parity(found.modules, "The comparison results of the modules", sides=sides)
        print_parity(found.outputs, "The comparison results of Net", sides=sides)
        if found.causes:
            columns = ("part", "module_a", "module_b", "reason")
            rows = pd.DataFrame([{name: getattr(cause, name) for name in columns} for cause in found.causes])
            print_table(rows, "What differs by itself", ("part", "pytorch module", "mindspore module", "reason"))
        for names, word in ((found.only_a, "PyTorch"), (found.only_b, "MindSpore")):
            if names:
                sys.stdout.write(f"Only in {word}, not compared: {printable(', '.join(names))}\n")
        sys.stdout.write(f"Verdict: {found.verdict}. {printable(found.reason)}\n")


def _require_both(what: str, hint: str, of_torch: Any, of_mindspore: Any) -> None:
    if (of_torch is None) != (of_mindspore is None):
        raise ProfkitError(f"{what} was given for one network alone", f"give {hint}, or none")


def _side(net: Any, loss: Any, optimizer: Any, python: str | None) -> Side:
    if not isinstance(net, str):
        return NetSide(net, loss, optimizer)
    for name, value in (("loss", loss), ("optimizer", optimizer)):
        if value is not None and not isinstance(value, str):
            raise ProfkitError(f"the {name} of a network in another process is no object", 'name "file.py:function"')
    return ProcessSide(net, python, loss, optimizer)


def _several(cases: Iterable[Any]) -> Iterator[Any]:
    """Give the cases, and fail before anything runs where there is none."""
    cases = iter(cases)
    first = next(cases, None)
    if first is None:
        raise ProfkitError("there was no input to run the networks on", "give at least one")
    return chain([first], cases)
