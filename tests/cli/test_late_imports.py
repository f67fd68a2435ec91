"""Heavy packages come at their first use, and then are what they always are."""

from __future__ import annotations

import subprocess
import sys

import pytest


def run(code: str) -> str:
    program = f"import sys\nfrom profkit.cli.late_imports import import_late\nimport_late()\n{code}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_does_not_load() -> None:
    code = "import pandas as pd, pyarrow as pa, pyarrow.compute as pc\nprint('pandas.core' in sys.modules)"
    assert run(code) == "False"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import pandas as pd\nprint(pd.Series([1, 2]).sum())", "3"),
        ("import pyarrow.compute as pc\nprint(pc.sum([1, 2]).as_py())", "3"),
        ("import pyarrow, pyarrow.compute\nprint(pyarrow.compute.sum(pyarrow.array([1, 2])).as_py())", "3"),
        ("import pyarrow, pyarrow.csv\npyarrow.array([1])\nprint(pyarrow.csv.ReadOptions.__name__)", "ReadOptions"),
        ("from pandas.api.types import is_bool_dtype\nprint(is_bool_dtype(bool))", "True"),
        ("import pandas as early\nearly.NA\nimport pandas\nprint(early.DataFrame is pandas.DataFrame)", "True"),
    ],
)
def test_what_is_asked_for_is_there(code: str, expected: str) -> None:
    assert run(code) == expected


def test_threads_that_ask_at_once_all_get_the_whole_module() -> None:
    code = (
        "import pandas as pd, pyarrow.compute as pc\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "ask = [lambda: pd.DataFrame({'a': [1]}).a.sum(), lambda: pc.sum([1]).as_py()] * 8\n"
        "with ThreadPoolExecutor(16) as pool:\n"
        "    print({int(done.result()) for done in [pool.submit(one) for one in ask]})"
    )
    assert run(code) == "{1}"


def test_a_package_that_is_absent_is_told_at_its_use() -> None:
    code = (
        "import profkit.cli.late_imports as room\n"
        "room._HEAVY = ('no_such_package',)\nroom.import_late()\nimport no_such_package\n"
        "for _ in range(2):\n    try:\n        no_such_package.anything\n"
        "    except ModuleNotFoundError as error:\n        print(error.name)"
    )
    assert run(code) == "no_such_package\nno_such_package"
