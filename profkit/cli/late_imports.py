"""Heavy packages imported at their first use: pandas and pyarrow cost several times what a kept answer does.

PEP 810 gives Python `lazy import` from 3.15 on. importlib.util.LazyLoader does not help before: the import statement
itself looks at `__spec__`, and its modules load on any look.
"""

from __future__ import annotations

import gc
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

# Parents stand before their submodules.
_HEAVY = ("pandas", "pyarrow", "pyarrow.compute", "pyarrow.csv", "pyarrow.parquet")
_LOADING = threading.RLock()


class _LateModule(ModuleType):
    """Stands for a module in sys.modules and in the files that import it, until somebody asks it for anything."""

    def __getattr__(self, name: str) -> object:
        with _LOADING:
            module = sys.modules.get(self.__name__)
            if module is self:
                module = self._load()
        # Of a module that is half imported by this thread too: it may come back to us by way of other modules.
        return getattr(module, name)

    def _load(self) -> ModuleType:
        del sys.modules[self.__name__]
        try:
            with imported_for_good():
                module = import_module(self.__name__)
        except BaseException:
            sys.modules[self.__name__] = self
            raise
        # Importing `parent.child` does not set the parent's attribute where the child stands in sys.modules already.
        for child, late in vars(self).items():
            if isinstance(late, _LateModule) and not hasattr(module, child):
                setattr(module, child, late)
        # What is found here is not asked for by way of __getattr__ again.
        vars(self).update(vars(module))
        return module


@contextmanager
def imported_for_good() -> Iterator[None]:
    """Spare what the block imports from the search for cycles, now and later: it stays."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def import_late() -> None:
    """From now on import heavy packages at their first use; those that are imported already stay."""
    # A twentieth of the time and 5 MiB less than Arrow's own allocator, which gives its pages back and takes them anew.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    for name in _HEAVY:
        if name in sys.modules:
            continue
        late = sys.modules[name] = _LateModule(name)
        parent, _, child = name.rpartition(".")
        if parent and isinstance(sys.modules[parent], _LateModule):
            setattr(sys.modules[parent], child, late)
