"""Two networks on the same weights and inputs: run, compared module by module, and judged."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from profkit.capturing.watched_net import NETWORK
from profkit.compare import compare_tensors
from profkit.compare.precision import coarser
from profkit.difference_finder.cases import write_case
from profkit.difference_finder.causes import Cause, forward_causes, gradient_cause, step_causes, weight_causes
from profkit.difference_finder.differences import Differences, Settings
from profkit.difference_finder.evidence import Evidence
from profkit.difference_finder.judged_changes import judge_buffers, judge_steps
from profkit.difference_finder.net_side import PARAMETERS, STRUCTURE, Order, Result, Side
from profkit.difference_finder.partners import by_weight, partners_of, with_order_of_calls
from profkit.difference_finder.rules_of_change import AdamSettings
from profkit.difference_finder.state_files import BUFFERS, GRADIENTS, STEPS, SUFFIXES
from profkit.errors import ProfkitError, first_line_of
from profkit.run import load
from profkit.schema import PARITY
from profkit.structure import compare_structure
from profkit.weights import WeightMap, compare_weights, convert, describe, make_map

_WEIGHTS = {"pytorch": "net.pth", "mindspore": "net.ckpt"}
_WEIGHT_ROW_SETTLED = "not needed"
_ROUNDINGS_OF_LOSS = 8.0


def find_differences(a: Side, b: Side, cases: Iterable[tuple[Any, Any]], settings: Settings) -> Differences:
    """Run both networks and find what differs.

    Args:
        a: The reference.
        b: The other network.
        cases: Arguments and labels of each run.
        settings: What is asked.

    Raises:
        ProfkitError: A network cannot be run, or there is no case.
    """
    with tempfile.TemporaryDirectory(prefix="profkit-") as folder:
        search = _Search(a, b, settings, Path(folder))
        search.prepare()
        for number, (arguments, labels) in enumerate(cases):
            search.run_case(number, arguments, labels)
        return search.differences()


class _Search:
    """One comparison, its files and what it has found so far."""

    def __init__(self, a: Side, b: Side, settings: Settings, folder: Path) -> None:
        self._a, self._b, self._settings, self._folder = a, b, settings, folder
        self._seen = Evidence()
        self._alone: dict[str, list[str]] = {}

    def prepare(self) -> None:
        """Bring both networks to the same weights, and find out who is whose partner."""
        for letter, side in (("a", self._a), ("b", self._b)):
            side.describe(self._folder / letter)
        self._weights = self._same_weights()

    def _same_weights(self) -> pd.DataFrame:
        files = self._weight_files()
        described_a, described_b = (describe(file.with_name(PARAMETERS)) for file in files)
        if not described_a.parameters and not described_b.parameters:
            self._map = WeightMap(())
            self._pair_modules({})
            return PARITY.empty()
        self._map = make_map(described_a, described_b)
        self._pair_modules(by_weight(self._map, described_a, described_b))
        if self._settings.load_weights and self._map.written(assumed=True):
            converted = files[1].with_name(f"converted{files[1].suffix}")
            convert(files[0], converted, self._map, assumed=True, partial=True)
            self._b.load_weights(converted)
            self._b.describe(self._folder / "b")
        parity = compare_weights(*files, weight_map=self._map).parity
        needed = parity[parity["paired_by"] != _WEIGHT_ROW_SETTLED]
        self._seen.causes += weight_causes("weights", needed, self._partners)
        for side, names in (("A", needed["name_a"]), ("B", needed["name_b"])):
            alone = names[needed["status"] == f"missing_{'b' if side == 'A' else 'a'}"].dropna()
            self._alone[side] = [str(name) for name in alone]
            self._seen.undecided += [f"parameter {name} of {side} has no partner" for name in alone]
        return parity

    def _pair_modules(self, known: Mapping[str, str]) -> None:
        self._structures = compare_structure(*(self._folder / letter / STRUCTURE for letter in "ab")).rows
        self._partners = partners_of(self._structures, known)

    def run_case(self, number: int, arguments: Any, labels: Any) -> None:
        """Run both networks on one case, and B once more with every module fed what its partner was fed."""
        folder = self._folder / f"case{number}"
        write_case(folder / "case", arguments, labels)
        wanted = self._settings
        order = Order(str(folder / "case"), str(folder / "a"), wanted.seed, wanted.train, wanted.backward)
        results = [
            self._run(
                side,
                replace(
                    order,
                    out=str(folder / letter),
                    changes=str(folder / f"changes_{letter}"),
                    optimizer=wanted.optimizer and wanted.backward,
                ),
            )
            for letter, side in self._sides()
        ]
        free = [load(folder / letter).tensors for letter in "ab"]
        self._partners = with_order_of_calls(self._partners, *(_called(tensors) for tensors in free))
        modules = compare_tensors(*free, names=self._names())
        self._seen.frames["modules"].append(modules)
        self._judge_results(number, free)
        # Both recordings together would be written back to the disk before they are removed.
        shutil.rmtree(folder / "b", ignore_errors=True)
        isolated = replace(
            order,
            out=str(folder / "isolated"),
            backward=False,
            changes=str(folder / "changes_isolated"),
            recorded=str(folder / "a"),
            partners={there: here for here, there in self._partners.items()},
        )
        self._run(self._b, isolated)
        found = self._judge_modules(folder, free, isolated)
        if not found:
            self._judge_buffers(folder, free[0])
        if not found and wanted.backward:
            self._judge_backward(modules, results)
        if wanted.optimizer and wanted.backward and not self._seen.causes:
            self._judge_steps(folder, results)

    def _sides(self) -> tuple[tuple[str, Side], tuple[str, Side]]:
        return ("a", self._a), ("b", self._b)

    def _run(self, side: Side, order: Order) -> Result:
        try:
            return side.run(order)
        except ProfkitError:
            raise
        except Exception as error:
            first_line = first_line_of(error)
            name = "PyTorch" if side.framework == "pytorch" else "MindSpore"
            raise ProfkitError(
                f"the {name} network fails: {type(error).__name__}: {first_line}", "check inputs, labels and loss"
            ) from error

    def _names(self) -> dict[str, str]:
        return {**self._partners, **self._parameter_names()}

    def _judge_results(self, number: int, free: Sequence[pd.DataFrame]) -> None:
        """Hold the results of the networks, running freely, against the tolerances that were asked for."""
        results_a, results_b = (_results(tensors) for tensors in free)
        wanted = self._settings
        outputs = compare_tensors(
            results_a, results_b, rtol=wanted.rtol, atol=wanted.atol, equal_nan=wanted.equal_nan and _is_set(wanted),
            names={NETWORK: NETWORK},
        )  # fmt: skip
        labels = pd.Series([f"step_{number}_out_{slot}" for slot in range(len(outputs))], dtype="string")
        outputs = outputs.assign(**{name: labels.where(outputs[name].notna()) for name in ("name_a", "name_b")})
        self._seen.frames["outputs"].append(outputs)

    def _judge_modules(self, folder: Path, free: Sequence[pd.DataFrame], isolated: Order) -> list[Cause]:
        """Hold each module of B, fed what its partner was fed, against that partner; give the causes."""
        tensors_a, tensors_b = free
        flowing = tensors_a[tensors_a["io"] != "gradient"].reset_index(drop=True)
        apart = compare_tensors(flowing, load(isolated.out).tensors, names=self._names())
        self._seen.frames["isolated"].append(apart)
        self._seen.add_unmatched(self._seen.frames["modules"][-1])
        found = list(forward_causes(apart, self._partners, _called(tensors_a), _called(tensors_b)))
        found = [self._with_randomness(self._with_lone_parameters(cause), folder, isolated) for cause in found]
        self._seen.causes += found
        return found

    def _with_lone_parameters(self, cause: Cause) -> Cause:
        """Say of a cause which parameters one side alone has there."""
        for side, module in (("A", cause.module_a), ("B", cause.module_b)):
            for name in self._alone.get(side, ()):
                if (name.rpartition(".")[0] or NETWORK) == module:
                    cause = replace(cause, reason=f"{side} alone has a parameter {name}. {cause.reason}")
        return cause

    def _with_randomness(self, cause: Cause, folder: Path, isolated: Order) -> Cause:
        """Say of a cause whether it is one because the module draws random numbers."""
        again = folder / "isolated_again"
        if not again.exists():
            self._run(
                self._b, replace(isolated, out=str(again), seed=self._settings.seed + 1, inputs=False, changes="")
            )
        first, second = (_results(load(one).tensors, cause.module_b) for one in (folder / "isolated", again))
        if (compare_tensors(first, second)["status"] == "mismatch").any():
            return replace(
                cause, reason=f"in B it draws random numbers: another seed gives another result. {cause.reason}"
            )
        return cause

    def _judge_backward(self, modules: pd.DataFrame, results: Sequence[Result]) -> None:
        losses = [result["loss"] for result in results]
        if None in losses:
            self._seen.losses.append((math.nan, math.nan))
            notes = [result["note"] for result in results]
            # Where neither trains anything, there is nothing to compare.
            if notes[0] != notes[1]:
                self._seen.undecided += [f"{side}: {note}" for side, note in zip("AB", notes, strict=True) if note]
            return
        self._seen.losses.append((losses[0], losses[1]))
        limit = (self._settings.atol or 0) + (self._settings.rtol or 0) * max(map(abs, losses))
        if not _is_set(self._settings):
            limit = 1e-5 * max(map(abs, losses))
        limit = max(limit, _rounding_of_loss(self._seen.frames["outputs"][-1], losses))
        if not abs(losses[0] - losses[1]) <= limit:
            reason = f"{losses[0]:.9g} against {losses[1]:.9g}, though the results of the networks agree"
            self._seen.causes.append(Cause("loss", "loss", "loss", reason))
            return
        owners = {name: name.rpartition(".")[0] or NETWORK for name in self._parameter_names()}
        cause = gradient_cause(modules, self._partners, owners)
        if cause is not None:
            spoilt = self._b.spoilt_gradients()
            self._seen.causes.append(replace(cause, reason=f"{spoilt}. {cause.reason}") if spoilt else cause)
        gradients = modules[modules["io"] == "gradient"]
        differ = int((gradients["status"] == "mismatch").sum())
        if cause is None and differ:
            # The forward results had drifted apart before, within what rounding may grow to.
            self._seen.undecided.append(f"{differ:,} gradients differ behind results that differ by grown rounding")
        for name in gradients["name_a"][gradients["status"] == "missing_b"]:
            if name in owners:
                self._seen.undecided.append(f"the gradient of {name} has no partner in B")

    def _judge_buffers(self, folder: Path, tensors_a: pd.DataFrame) -> None:
        """Hold what the run did to buffers of A against what it did to those of B, fed what A was fed."""
        files = self._state_files(folder, BUFFERS, "a", "isolated")
        if not all(file.is_file() for file in files):
            return
        judged = judge_buffers(files[0], files[1], self._weight_files(), self._map, _elements_a_channel(tensors_a))
        self._seen.frames["buffers"].append(judged.parity)
        wrong = judged.parity[judged.parity["name_a"].isin(judged.wrong)]
        self._seen.causes += weight_causes("buffers", wrong, self._partners)
        self._seen.add_explained(judged)

    def _judge_steps(self, folder: Path, results: Sequence[Result]) -> None:
        """Hold what two steps of the optimizer did to the parameters of A against what they did to those of B."""
        gradients = self._state_files(folder, GRADIENTS, "a", "b")
        settings = results[0].get("adam", {}) if results[1].get("epsilon_is_early") else {}
        adam = {name: AdamSettings(*values) for name, values in settings.items()}
        for number, name in enumerate(STEPS, start=1):
            made = self._state_files(folder, name, "a", "b")
            if not all(file.is_file() for file in (*made, *gradients)):
                if number == 1:
                    self._seen.undecided.append("the optimizer made no step on one side or both")
                return
            a, b = zip(made, gradients, strict=True)
            judged = judge_steps(a, b, self._weight_files(), self._map, number, adam)
            self._seen.frames["updates"].append(judged.parity)
            self._seen.causes += step_causes(judged, self._partners, later=number > 1)
            self._seen.add_explained(judged)
            self._seen.undecided += [
                f"a step was made of {one} on one side alone" for one in judged.alone if number == 1
            ]
            if self._seen.causes:
                return

    def _weight_files(self) -> list[Path]:
        return [self._folder / letter / _WEIGHTS[side.framework] for letter, side in self._sides()]

    def _state_files(self, folder: Path, name: str, a: str, b: str) -> list[Path]:
        sides = ((a, self._a), (b, self._b))
        return [folder / f"changes_{letter}" / f"{name}{SUFFIXES[side.framework]}" for letter, side in sides]

    def _parameter_names(self) -> Mapping[str, str]:
        return {
            row.sources[0]: row.target
            for row in self._map.written(assumed=True)
            if len(row.sources) == 1 and row.target
        }

    def differences(self) -> Differences:
        """Give what was found.

        Raises:
            ProfkitError: Nothing was run.
        """
        return self._seen.differences(self._weights, self._structures)


def _results(tensors: pd.DataFrame, module: str = NETWORK) -> pd.DataFrame:
    return tensors[(tensors["op"] == module) & (tensors["io"] == "output")].reset_index(drop=True)


def _rounding_of_loss(outputs: pd.DataFrame, losses: Sequence[float]) -> float:
    """Give by how much losses may differ for what results of their dtype leave by rounding: much for 16 bits."""
    pairs = zip(outputs["dtype_a"].astype(str), outputs["dtype_b"].astype(str), strict=True)
    roundoffs = [precision.roundoff for pair in pairs if (precision := coarser(*pair)) is not None]
    largest = max([*map(abs, losses), *outputs["peak_a"][outputs["peak_a"].notna()]], default=0.0)
    return _ROUNDINGS_OF_LOSS * max(roundoffs, default=0.0) * largest


def _elements_a_channel(tensors: pd.DataFrame) -> dict[str, int]:
    """Give how many elements of each channel a module took in its first call, by its path: batch times places."""
    inputs = tensors[(tensors["io"] == "input") & (tensors["slot"] == 0)]
    found: dict[str, int] = {}
    for path, shape in zip(inputs["op"].astype(str), inputs["shape"], strict=True):
        lengths = [] if pd.isna(shape) else [int(length) for length in str(shape).split(",") if length]
        if len(lengths) > 1:
            found.setdefault(path, math.prod(lengths) // max(1, lengths[1]))
    return found


def _called(tensors: pd.DataFrame) -> list[str]:
    """Give the modules that were called, in the order of their first results."""
    return list(dict.fromkeys(tensors["op"][tensors["io"] == "output"].astype(str)))


def _is_set(settings: Settings) -> bool:
    return settings.rtol is not None or settings.atol is not None
