"""Which module each recorded operator belongs to, from what was measured beside the recording.

PyTorch and PyNative MindSpore: the innermost interval that the hooks measured around a module. PyTorch backward: the
label of the forward operator with the same sequence number. Compiled graphs: the graph that MindSpore saved says which
parameter a node reads, and whose gradient it makes. Names in the recording and profkit's own identity are not used.

The table has the columns of `truth.csv` that the scorer reads: side, variant, step, phase, start_ns, dur_ns, name,
module, op_class (`view` or empty), source, depth, unit.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from settings import STEPS

from profkit.run import load

COLUMNS = (
    "side", "variant", "step", "phase", "start_ns", "dur_ns", "name", "module", "op_class", "source", "depth", "unit",
)  # fmt: skip

_EVALUATE = "autograd::engine::evaluate_function: "
_VIEWS = frozenset(
    [
        "view",
        "reshape",
        "transpose",
        "t",
        "permute",
        "unsqueeze",
        "squeeze",
        "expand",
        "select",
        "slice",
        "flatten",
        "unbind",
        "split",
        "chunk",
        "narrow",
        "as_strided",
        "detach",
        "alias",
        "unflatten",
        "_unsafe_view",
        "expand_as",
        "view_as",
        "movedim",
        "swapaxes",
        "numpy_T",
        "_reshape_alias",
        "resolve_conj",
        "resolve_neg",
        "detach_",
        "lift_fresh",
        "result_type",
        "is_nonzero",
        "item",
        "_local_scalar_dense",
    ]
)
_PASSES_ON = frozenset({"Load", "Reshape", "Transpose", "Cast", "ExpandDims", "Squeeze", "TransData", "Depend"})
# Numbers in these names are known to differ between the saved graph and the profiler.
_RENUMBERED = re.compile(r"^Expand/|/(AddN|Cast)-op\d+$")
_NODE = re.compile(r"^  %(\d+)\([^)]*\) = (?:PrimFunc_|Primitive::)?\(?\"?(\w+)[^(]*\((.*)$")
_FULL_NAME = re.compile(r"# Fullname with scope: \((.*)\)")
_OPTIMIZERS = re.compile(r"^(SGD|Adam\w*|ApplyMomentum|Momentum|FusedAdam\w*)$")

Interval = tuple[int, int, str]


def labelled(folder: Path) -> pd.DataFrame:
    """Give the truth table of one network: of every recording found below its folder."""
    names = ("pt_stack", "pt_shapes", "ms_pynative", "ms_graph", "ms_graph_jit")
    return pd.concat([labels_of(folder / name) for name in names if (folder / name).is_dir()], ignore_index=True)


def labels_of(recording: Path) -> pd.DataFrame:
    """Give the truth table of one recording, by the name of its folder: `pt_stack`, `ms_graph_jit`, ..."""
    framework, _, variant = recording.name.partition("_")
    if framework == "pt":
        table = _torch(recording, variant)
    else:
        table = _graph(recording, variant) if variant.startswith("graph") else _pynative(recording)
    return table[list(COLUMNS)]


def _innermost(times: Sequence[int], intervals: Iterable[Interval]) -> list[str]:
    """Give the word of the shortest interval around each time; "" if none is."""
    words = [""] * len(times)
    order = np.argsort(times)
    ordered = np.asarray(times)[order]
    for begin, end, word in sorted(intervals, key=lambda one: one[0] - one[1]):
        for at in order[np.searchsorted(ordered, begin) : np.searchsorted(ordered, end)]:
            words[at] = word
    return words


def _torch(folder: Path, variant: str) -> pd.DataFrame:
    with gzip.open(folder / "trace.json.gz", "rt", encoding="utf-8") as text:
        trace = json.loads(text.read(), strict=False)
    base = int(trace["baseTimeNanoseconds"])
    events = [event for event in trace["traceEvents"] if event.get("ph") == "X"]
    steps = sorted(
        (round(event["ts"] * 1000), round(event["dur"] * 1000))
        for event in events
        if event["name"].startswith("ProfilerStep#") and event.get("cat") == "user_annotation"
    )
    assert len(steps) == STEPS
    operators = sorted(
        (event for event in events if event.get("cat") == "cpu_op"),
        key=lambda event: (event["tid"], event["ts"], -event["dur"]),
    )
    intervals = json.loads((folder / "intervals.json").read_text())
    rows, nested = _nested(operators, base)
    labels = _innermost([row["start_ns"] for row in rows], intervals)
    forward: dict[int, str] = {}
    for row, label in zip(rows, labels, strict=True):
        row["module"], row["source"] = label, "hook"
        row["step"] = next((at for at, (ts, dur) in enumerate(steps) if ts <= row["start_ns"] - base < ts + dur), -1)
    for row in rows:
        if row["sequence"] >= 0 and row["module"] and not row["in_backward"]:
            # What makes no gradient has the number of the next operator that makes one: the last one has it of its own.
            forward[row["sequence"] * STEPS * 4 + row["step"]] = row["module"]
    sequences: dict[int, int] = {}
    for row in rows:
        if row["in_backward"] and row["sequence"] >= 0:
            sequences.setdefault(row["unit"], row["sequence"])
    for row in rows:
        if row["in_backward"]:
            row["phase"] = "backward"
            key = sequences.get(row["unit"], -1)
            row["module"] = forward.get(key * STEPS * 4 + row["step"], "") if key >= 0 else ""
            row["source"] = "sequence"
        else:
            row["phase"] = "forward" if row["module"] else "other"
        members = nested[row["unit"]]
        kernels = [name for name in members if name.startswith("aten::")]
        row["op_class"] = "view" if all(name.removeprefix("aten::") in _VIEWS for name in kernels) else ""
    table = pd.DataFrame(rows)
    table = table[(table["step"] >= 0) & (table["phase"] != "other")]
    return table.assign(side="pt", variant=variant)


def _nested(operators: Sequence[dict], base: int) -> tuple[list[dict], dict[int, list[str]]]:
    rows: list[dict] = []
    nested: dict[int, list[str]] = defaultdict(list)
    around: list[tuple[int, int, int]] = []
    for event in operators:
        begin, dur = base + round(event["ts"] * 1000), round(event["dur"] * 1000)
        while around and (around[-1][0] != event["tid"] or around[-1][1] <= begin):
            around.pop()
        evaluated = event["name"].startswith(_EVALUATE)
        unit = around[-1][2] if around and not evaluated else len(rows)
        inside = bool(around) and rows[unit]["in_backward"]
        rows.append(
            {
                "start_ns": begin, "dur_ns": dur, "name": event["name"], "depth": len(around) if not evaluated else 0,
                "unit": unit, "sequence": int(event.get("args", {}).get("Sequence number", -1)),
                "in_backward": evaluated or inside,
            }
        )  # fmt: skip
        nested[unit].append(event["name"])
        around.append((event["tid"], begin + dur, unit))
    return rows, nested


def _kernels(folder: Path) -> pd.DataFrame:
    ops = load(folder).ops.sort_values("start_ns", kind="stable").reset_index(drop=True)
    table = pd.DataFrame({"start_ns": ops["start_ns"], "dur_ns": ops["dur_ns"], "name": ops["name"].astype(str)})
    return table.assign(side="ms", op_class="", depth=0, unit=np.arange(len(table)), module="")


def _pynative(folder: Path) -> pd.DataFrame:
    intervals: list[Interval] = [tuple(one) for one in json.loads((folder / "intervals.json").read_text())]
    table = _kernels(folder)
    times = table["start_ns"].tolist()
    networks = [one for one in intervals if one[2] == "phase:network"][-STEPS:]
    updates = [one for one in intervals if one[2] == "phase:optimizer"][-STEPS:]
    ends_of_loss = [max(end for begin, end, word in intervals if word == "loss" and start <= begin < stop)
                    for start, stop, _ in networks]  # fmt: skip
    backward = [one for one in intervals if one[2].startswith("backward:")]
    forward = _innermost(times, [one for one in intervals if ":" not in one[2]])
    words = _innermost(times, _without_crossings(backward))
    modules, phases, steps, sources = [], [], [], []
    for time, ahead, back in zip(times, forward, words, strict=True):
        step = next((at for at, (begin, _, _) in enumerate(networks) if begin <= time < updates[at][1]), -1)
        phase = "other"
        if step >= 0:
            phase = "optimizer" if time >= updates[step][0] else "backward" if time >= ends_of_loss[step] else "forward"
        steps.append(step)
        phases.append(phase)
        first_hook = min(
            (b for b, _, _ in backward if step >= 0 and networks[step][0] <= b < networks[step][1]), default=0
        )
        before_hooks = phase == "backward" and time < first_hook
        modules.append(
            ahead
            if phase == "forward"
            else "loss"
            if before_hooks
            else back.removeprefix("backward:")
            if phase == "backward"
            else ""
        )
        sources.append(
            "hook" if phase == "forward" else "before_first_backward_hook" if before_hooks else "backward_hook"
        )
    table = table.assign(variant="pynative", step=steps, phase=phases, module=modules, source=sources)
    return table[table["phase"].isin(["forward", "backward"])]


def _without_crossings(intervals: Sequence[Interval]) -> list[Interval]:
    """Leave out intervals that cross another: a cell whose input needs no gradient may end late."""
    ordered = sorted(intervals)
    crossing = set()
    for at, (_, end, _) in enumerate(ordered):
        for other in range(at + 1, len(ordered)):
            begin, its_end, _ = ordered[other]
            if begin >= end:
                break
            if its_end > end:
                crossing |= {at, other}
            else:
                crossing.add(at)
    return [one for at, one in enumerate(ordered) if at not in crossing]


def _graph(folder: Path, mode: str) -> pd.DataFrame:
    table = _kernels(folder)
    graphs = sorted((folder / "graphs").rglob("graph_build_*.ir"))
    label = {name: key for name, key in _labels_of_graph(graphs).items() if not _RENUMBERED.search(name)}
    keys = [label.get(name) for name in table["name"]]
    # Counted from the end: what the last warm-up step had not finished may stand at the beginning.
    steps = STEPS - 1 - table.groupby("name").cumcount(ascending=False)
    told = ["backward" if name.startswith("Gradients/") else "forward" for name in table["name"]]
    told_table = table.assign(
        variant=mode,
        step=steps,
        phase=[key[0] if key else phase for key, phase in zip(keys, told, strict=True)],
        module=[key[1] if key else "" for key in keys],
        source="parameter",
    )
    return told_table[told_table["step"] >= 0]


def _labels_of_graph(files: Sequence[Path]) -> dict[str, tuple[str, str]]:
    """Give (phase, module) of each node that reads one module's parameter or makes its gradient."""
    claims: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for file in files:
        nodes, names = _nodes(file.read_text(encoding="utf-8", errors="replace"))
        for number, (kind, arguments) in nodes.items():
            owner = _parameter(nodes, arguments[0]) if arguments else None
            if _OPTIMIZERS.match(kind) and owner:
                for argument in arguments[1:]:
                    made = _made_by(nodes, argument)
                    if (
                        made
                        and _parameter(nodes, argument) is None
                        and made in names
                        and names[made].count("optimizer-") == 0
                    ):
                        claims[names[made]].add(("backward", owner))
            elif number in names and kind not in _PASSES_ON and "optimizer-" not in names[number]:
                phase = "backward" if names[number].startswith("Gradients/") else "forward"
                if phase == "forward":
                    owners = {one for argument in arguments if (one := _parameter(nodes, argument))}
                    claims[names[number]] |= {(phase, one) for one in owners}
    told = {name: next(iter(found)) for name, found in claims.items() if len(found) == 1}
    owners = {owner for _, owner in told.values()}
    parents = {owner for owner in owners if any(other.startswith(f"{owner}.") for other in owners)}
    # The hooks call work directly in a parent its `functional`.
    return {
        name: (phase, f"{owner}.functional" if owner in parents else owner) for name, (phase, owner) in told.items()
    }


def _nodes(text: str) -> tuple[dict[str, tuple[str, list[str]]], dict[str, str]]:
    nodes: dict[str, tuple[str, list[str]]] = {}
    names: dict[str, str] = {}
    number = ""
    for line in text.splitlines():
        match = _NODE.match(line)
        if match:
            number = match.group(1)
            nodes[number] = (match.group(2), re.findall(r"%(para\d+_[\w.]+|\d+)", match.group(3)))
        elif number and (named := _FULL_NAME.search(line)):
            names[number] = named.group(1)
    return nodes, names


def _parameter(nodes: dict[str, tuple[str, list[str]]], argument: str) -> str | None:
    while not argument.startswith("para"):
        kind, arguments = nodes.get(argument, ("", []))
        if kind not in _PASSES_ON or not arguments:
            return None
        argument = arguments[0]
    name = re.sub(r"^para\d+_", "", argument)
    module = name.rpartition(".")[0]
    return module or None


def _made_by(nodes: dict[str, tuple[str, list[str]]], argument: str) -> str | None:
    for _ in range(20):
        if argument.startswith("para"):
            return None
        kind, arguments = nodes.get(argument, ("", []))
        if (kind in ("Reshape", "Depend", "Load") and arguments) or (kind in ("TupleGetItem",) and arguments):
            argument = arguments[0]
        else:
            return argument if kind else None
    return None


def coverage(table: pd.DataFrame) -> Counter[tuple[str, str, str]]:
    """Count the labelled units by variant and phase."""
    top = table[(table["depth"] == 0) & (table["module"] != "")]
    return Counter(zip(top["variant"], top["phase"], top["source"], strict=True))
