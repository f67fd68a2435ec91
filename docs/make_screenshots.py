"""Take the pictures of the documentation from the real program on the bundled demo.

    python docs/make_screenshots.py

writes docs/*.svg. The font is named so that the columns line up wherever a monospaced font is installed.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

os.environ.update(TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor")

from profkit.cli.demo import demo_inputs
from profkit.triage import triage
from profkit.tui.app import ProfkitApp

DOCS = Path(__file__).resolve().parent
# Picture -> the keys that lead to its view.
PICTURES = {
    "operators": ["1"],
    "findings": ["2"],
    "overview": ["0"],
    "overflow": ["3"],
    "parity": ["4", "]"],
    "modules": ["7"],
    "timeline": ["1", "8", "+", "+"],
}


async def take(keys: list[str], size: tuple[int, int]) -> str:
    """Give the screen as SVG after the keys."""
    app = ProfkitApp(lambda progress: triage(demo_inputs(clean=False), progress=progress), "demo", view="operators")
    async with app.run_test(size=size) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        await pilot.press(*keys)
        await app.workers.wait_for_complete()
        await pilot.pause()
        return app.export_screenshot(title="profkit tui --demo")


def main() -> None:
    """Write every picture."""
    for name, keys in PICTURES.items():
        svg = asyncio.run(take(keys, (120, 36)))
        (DOCS / f"{name}.svg").write_text(svg.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")


if __name__ == "__main__":
    main()
