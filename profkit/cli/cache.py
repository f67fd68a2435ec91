"""`profkit cache info|clear`."""

from __future__ import annotations

from datetime import datetime, timezone

import click
import pandas as pd

from profkit.cache import Cache, CacheEntry
from profkit.cli.invocation import Invocation, reads_inputs
from profkit.errors import ProfkitError


@click.command()
@click.argument("action", type=click.Choice(["info", "clear"]))
@reads_inputs(inputs=False)
def command(*, invocation: Invocation, action: str) -> int:
    """What is kept of the inputs that were read, so that they open quickly; and how to be rid of it.

    It lies in $PROFKIT_CACHE_DIR, else in the cache directory of the platform, and takes at most $PROFKIT_CACHE_BYTES
    (5 GiB if unset; 0 keeps nothing): what was not used for the longest time goes first.

    \b
    profkit cache info
    profkit cache clear
    """
    cache = Cache.default()
    if action == "clear":
        _clear(cache, invocation)
        return 0
    entries = cache.entries()
    total = sum(entry.size_bytes for entry in entries)
    invocation.say(f"{len(entries):,} entries, {total:,} of at most {cache.limit_bytes:,} bytes, in {cache.root}")
    if cache.peaks_file.is_file():
        invocation.say(f"{cache.peaks_file.stat().st_size:,} bytes of statistics of dumped tensors beside them")
    invocation.give(_table(entries))
    return 0


def _clear(cache: Cache, invocation: Invocation) -> None:
    try:
        freed = cache.clear()
    except OSError as error:
        raise ProfkitError(
            f"{error.filename or cache.root} cannot be removed: {error.strerror}", "check its permissions"
        ) from error
    invocation.say(f"{freed:,} bytes removed from {cache.root}")


def _table(entries: list[CacheEntry]) -> pd.DataFrame:
    used = [datetime.fromtimestamp(entry.last_used_ns // 10**9, timezone.utc) for entry in entries]
    return pd.DataFrame(
        {
            "path": pd.array([entry.path for entry in entries], dtype="string"),
            "frames": pd.array([entry.frames for entry in entries], dtype="string"),
            "size_bytes": pd.array([entry.size_bytes for entry in entries], dtype="int64"),
            "last_used": pd.array([f"{time:%Y-%m-%d %H:%M:%S}Z" for time in used], dtype="string"),
        }
    )
