"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes tells of the machine, not of the code.
settings.register_profile("profkit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("profkit")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of recorded third-party samples; tests on it are skipped where it is not configured."""
    configured = os.environ.get("PROFKIT_SHARED")
    if not configured:
        pytest.skip("PROFKIT_SHARED is not set: the third-party samples are not part of this repository")
    folder = Path(configured).resolve()
    if not (folder / "samples").is_dir():
        pytest.fail(f"PROFKIT_SHARED names {folder}, which has no samples folder")
    return folder


@pytest.fixture(scope="session")
def samples() -> Path:
    """The bundled recordings of this repository."""
    return Path(__file__).resolve().parent.parent / "samples"


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own cache and state out of the tests, and the tests out of them."""
    monkeypatch.setenv("PROFKIT_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("PROFKIT_STATE_DIR", str(tmp_path_factory.mktemp("state")))
    monkeypatch.setenv("PROFKIT_CONFIG_DIR", str(tmp_path_factory.mktemp("config")))
