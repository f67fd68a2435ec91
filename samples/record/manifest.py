"""Writes samples/MANIFEST.json: what every recording is, and size and sha256 of every file below samples/ but record/.

Run it alone after any file below samples/ changed; what is known about the recordings is kept:

    python samples/record/manifest.py --out samples
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

FORMAT_VERSION = 1
MANIFEST_NAME = "MANIFEST.json"
RECORDER_FOLDER = "record"


def write_manifest(samples: Path, collection: str = "", about: dict[str, object] | None = None) -> None:
    """Rewrite the manifest.

    Args:
        samples: The samples folder.
        collection: Name of the folder below samples that `about` describes; empty keeps all descriptions as they are.
        about: What is known about that collection.
    """
    file = samples / MANIFEST_NAME
    known = json.loads(file.read_text()) if file.exists() else {}
    collections = known.get("collections", {})
    if collection:
        collections[collection] = about
    present = {name: collections[name] for name in sorted(collections) if (samples / name).is_dir()}
    manifest = {"format_version": FORMAT_VERSION, "collections": present, "files": _files(samples)}
    file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sample_files(samples: Path) -> list[Path]:
    """Every file below samples but the recorder and the manifest itself, sorted by path."""
    files = [path for path in samples.rglob("*") if path.is_file()]
    return sorted(
        path
        for path in files
        if path.relative_to(samples).parts[0] not in (RECORDER_FOLDER, MANIFEST_NAME)
        and "__pycache__" not in path.parts
    )


def _files(samples: Path) -> dict[str, dict[str, object]]:
    return {
        path.relative_to(samples).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sample_files(samples)
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the samples folder")
    write_manifest(parser.parse_args().out)
