"""ts.tracking on real networks: lines, values, the first NaN."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import profkit as ts
from profkit.errors import ProfkitError
from profkit.value_tracking import ValueFoundError, described

HERE = Path(__file__).name


class Layer:
    """A network without a framework: what is followed is a function of that name."""

    def forward(self, x: Any) -> Any:
        y = x - 1
        y = np.sqrt(y)
        return y * 2


def line_of(text: str) -> int:
    lines = Path(__file__).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if line.strip() == text)


def test_each_line_tells_what_it_made() -> None:
    out = io.StringIO()
    with ts.tracking(output=out) as tracked:
        Layer().forward(np.array([2.0, 5.0]))
    made = [(value.event, value.line, value.variable) for value in tracked.values]
    assert made == [
        ("argument", line_of("def forward(self, x: Any) -> Any:"), "x"),
        ("new", line_of("y = x - 1"), "y"),
        ("changed", line_of("y = np.sqrt(y)"), "y"),
        ("return", line_of("return y * 2"), ""),
    ]
    assert tracked.values[2].description == "float64 (2) 1 to 2"
    assert tracked.values[2].function == "Layer.forward"
    assert f"{HERE}:{line_of('y = np.sqrt(y)')} Layer.forward changed: y = float64 (2) 1 to 2\n" in out.getvalue()
    assert tracked.found is None


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
def test_the_first_nan_stops_the_run_at_its_line() -> None:
    out = io.StringIO()
    tracked = ts.tracking(check_keyword="nan", output=out)
    with pytest.raises(ValueFoundError, match=r"'nan' is first found in y at .*, in Layer\.forward"), tracked:
        Layer().forward(np.array([0.0, 5.0]))
    assert tracked.found is not None
    assert (tracked.found.line, tracked.found.nan) == (line_of("y = np.sqrt(y)"), 1)
    assert "float64 (2) 2 to 2, 1 NaN" in out.getvalue()


@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt")
def test_mode_2_goes_on() -> None:
    out = io.StringIO()
    with ts.tracking(check_keyword="nan", check_mode=2, output=out) as tracked:
        result = Layer().forward(np.array([0.0]))
    assert np.isnan(result).all()
    assert tracked.found is tracked.values[2]
    assert out.getvalue().count("is first found") == 1


def test_infinity_and_text_can_be_looked_for() -> None:
    with pytest.raises(ValueFoundError), ts.tracking(check_keyword="inf", output=io.StringIO()):
        Layer().forward(np.array([np.inf]))
    with (
        pytest.raises(ValueFoundError, match="first found in x"),
        ts.tracking(check_keyword="float32", output=io.StringIO()),
    ):
        Layer().forward(np.ones(2, dtype=np.float32))


def test_a_decorated_function_is_followed_each_time() -> None:
    tracker = ts.tracking(output=io.StringIO())

    @tracker
    def forward(x: int) -> int:
        return x + 1

    assert [forward(1), forward(2)] == [2, 3]
    assert [value.description for value in tracker.values] == ["1", "2", "2", "3"]


def test_the_lines_of_the_block_itself_are_told() -> None:
    with ts.tracking(output=io.StringIO()) as tracked:
        first = np.zeros(2)
        second = first + 1
    assert [(value.variable, value.description) for value in tracked.values if value.variable != "tracked"] == [
        ("first", "float64 (2) 0 to 0"), ("second", "float64 (2) 1 to 1"),
    ]  # fmt: skip
    assert second.sum() == 2


def test_nothing_is_told_after_the_block() -> None:
    with ts.tracking(output=io.StringIO()) as tracked:
        pass
    count = len(tracked.values)
    Layer().forward(np.ones(1))
    assert len(tracked.values) == count


def test_files_and_functions_can_be_chosen() -> None:
    def followed(**settings: Any) -> int:
        with ts.tracking(output=io.StringIO(), **settings) as tracked:
            Layer().forward(np.ones(1))
        return sum(value.function == "Layer.forward" for value in tracked.values)

    assert followed() == 4
    assert followed(path_wl=[HERE]) == 4
    assert followed(path_wl=["other.py"]) == 0
    assert followed(path_bl=[HERE]) == 0
    assert followed(func_wl=["construct"]) == 0
    assert followed(depth=0) == 0


@pytest.mark.parametrize("settings", [{"level": 5}, {"check_mode": 3}, {"event_list": ["jump"]}])
def test_settings_that_there_are_not_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ProfkitError):
        ts.tracking(**settings)


def test_values_are_described_within_bounds() -> None:
    assert described({"a": [np.zeros(2), 1]}) == ("['a'] [0] float64 (2) 0 to 0, ['a'] [1] 1", 0, 0)
    assert described(np.array([], dtype=np.float32)) == ("float32 (0)", 0, 0)
    assert described(np.array([1, 2])) == ("int64 (2) 1 to 2", 0, 0)
    assert described("x" * 10_000, 20) == ("'xxxxxxxxxxxxxxxx...", 0, 0)
    assert described([np.full(3, np.nan)] * 100, 60)[1:] == (300, 0)
    assert described(object(), 50)[0] == "<object>"


MINDSPORE_LINES = ["y = self.matmul(x, x)", "z = self.sqrt(y)"]


@pytest.mark.frameworks
def test_the_first_nan_of_a_mindspore_network_is_found_in_pynative() -> None:
    import mindspore as ms
    from mindspore import nn, ops

    class Net(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.matmul, self.sqrt = ops.MatMul(), ops.Sqrt()

        def construct(self, x: Any) -> Any:
            y = self.matmul(x, x)
            z = self.sqrt(y)
            return z + 1

    @ts.tracking(check_keyword="nan", output=io.StringIO())
    def run() -> Any:
        return Net()(ms.Tensor(np.array([[0.0, -1.0], [4.0, 3.0]], dtype=np.float32)))

    with pytest.raises(ValueFoundError, match=rf"in z at .*{HERE}:{line_of('z = self.sqrt(y)')}, in Net.construct"):
        run()


@pytest.mark.frameworks
def test_a_failure_that_comes_later_belongs_to_its_line() -> None:
    import mindspore as ms
    from mindspore import nn

    class Net(nn.Cell):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(4, 2)

        def construct(self, x: Any) -> Any:
            looked_up = self.table(x)
            doubled = looked_up * 2
            return doubled + 1

    with pytest.raises(Exception, match="input_indices") as caught, ts.tracking(output=io.StringIO()):
        Net()(ms.Tensor([9]))
    lines = {frame.lineno + 1 for frame in caught.traceback if frame.path.name == HERE}
    assert lines & {line_of("looked_up = self.table(x)"), line_of("doubled = looked_up * 2")}
    assert line_of("return doubled + 1") not in lines


@pytest.mark.frameworks
def test_a_torch_network_is_followed_and_layers_at_level_2() -> None:
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(2, 2)

        def forward(self, x: Any) -> Any:
            hidden = self.fc(x)
            return hidden.relu()

    def functions(level: int) -> set[str]:
        with ts.tracking(level=level, output=io.StringIO()) as tracked:
            Net()(torch.ones(1, 2))
        return {value.function for value in tracked.values if value.event == "return"}

    assert functions(1) == {"Net.forward"}
    assert functions(2) == {"Net.forward", "Linear.forward"}
