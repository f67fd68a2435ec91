"""Work that must not keep the terminal UI waiting, nor keep it from ending."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import TypeVar

_Result = TypeVar("_Result")
_running: set[threading.Thread] = set()


async def in_background(work: Callable[[], _Result]) -> _Result:
    """Do work in a thread of its own, which ends with the process: leaving profkit does not wait for it.

    Raises:
        RuntimeError: The work asked to end the process, which is not its to decide.
        Exception: As the work raised it.
    """
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - handed on to whoever waits
            # Nobody waits any more once the waiting was cancelled.
            with suppress(InvalidStateError):
                future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - the event loop would end with it
            with suppress(InvalidStateError):
                future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
        else:
            with suppress(InvalidStateError):
                future.set_result(result)
        finally:
            _running.discard(threading.current_thread())

    thread = threading.Thread(target=run, daemon=True, name="profkit-background")
    _running.add(thread)
    thread.start()
    return await asyncio.wrap_future(future)


def spare_collections() -> None:
    """Take all that lives by now, some 100,000 objects, out of what the garbage collector visits.

    Its full rounds would otherwise keep a key waiting for 70 ms every now and then.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def is_busy() -> bool:
    """Whether some work goes on."""
    return bool(_running)
