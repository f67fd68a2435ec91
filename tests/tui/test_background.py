"""What keeps keys from waiting."""

from __future__ import annotations

import gc


async def test_a_full_collection_visits_little_once_a_session_is_open(session, run_app):
    async with run_app(session):
        assert gc.get_freeze_count() > 50_000
        assert len(gc.get_objects()) < gc.get_freeze_count()
    gc.unfreeze()
