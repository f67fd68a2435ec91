"""A Session: the saved answer of one triage, from which every view can be made again without the inputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from profkit.errors import ProfkitError, UnreadableInputError
from profkit.frame_spec import FrameSpec
from profkit.schema import (
    ALIGNMENT,
    BRIDGE,
    BRIDGE_ROWS,
    FINDINGS,
    ISSUES,
    OPERATORS,
    OVERFLOW,
    PARITY,
    SCHEMA_VERSION,
    SESSION_BREAKDOWN,
    SESSION_STEPS,
    SOURCES,
)
from profkit.session_resources import SESSION_COMMUNICATION, SESSION_MEMORY, SESSION_MEMORY_CURVE
from profkit.store import directory_in_one_step, read_frame, write_frame

_HEADER = "session.json"
_FINDINGS = "findings.json"

_PARQUET_FRAMES: Mapping[str, FrameSpec] = {
    spec.name: spec
    for spec in (
        OPERATORS,
        ALIGNMENT,
        BRIDGE,
        BRIDGE_ROWS,
        PARITY,
        OVERFLOW,
        SESSION_STEPS,
        SESSION_BREAKDOWN,
        SOURCES,
        ISSUES,
        SESSION_MEMORY,
        SESSION_MEMORY_CURVE,
        SESSION_COMMUNICATION,
    )
}


@dataclass(frozen=True)
class Session:
    """The answer of one triage.

    Attributes:
        title: What was compared, one line.
        created: When, ISO 8601 in UTC.
        inputs: What the user named, by role (ref, run, ref dump, run dump).
        folder: Where relative paths begin in everything the session says, absolute; empty for the working directory.
        operators, alignment, bridge, bridge_rows, parity, overflow, findings, steps, breakdown, sources, issues:
            Frames of profkit.schema; empty if the question was not asked.
        memory, memory_curve, communication: Frames of profkit.session_resources; empty if nothing of it was recorded.
        sides: The words by which `alignment` calls the reference and the run.
        not_judged: What could not be answered and why, one sentence each.
        unanswered: Which of schema.QUESTIONS were not answered at all: their findings were not looked for.
    """

    title: str
    created: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    operators: pd.DataFrame = field(default_factory=OPERATORS.empty)
    alignment: pd.DataFrame = field(default_factory=ALIGNMENT.empty)
    bridge: pd.DataFrame = field(default_factory=BRIDGE.empty)
    bridge_rows: pd.DataFrame = field(default_factory=BRIDGE_ROWS.empty)
    parity: pd.DataFrame = field(default_factory=PARITY.empty)
    overflow: pd.DataFrame = field(default_factory=OVERFLOW.empty)
    findings: pd.DataFrame = field(default_factory=FINDINGS.empty)
    steps: pd.DataFrame = field(default_factory=SESSION_STEPS.empty)
    breakdown: pd.DataFrame = field(default_factory=SESSION_BREAKDOWN.empty)
    memory: pd.DataFrame = field(default_factory=SESSION_MEMORY.empty)
    memory_curve: pd.DataFrame = field(default_factory=SESSION_MEMORY_CURVE.empty)
    communication: pd.DataFrame = field(default_factory=SESSION_COMMUNICATION.empty)
    sources: pd.DataFrame = field(default_factory=SOURCES.empty)
    issues: pd.DataFrame = field(default_factory=ISSUES.empty)
    sides: tuple[str, str] = ("ref", "run")
    not_judged: tuple[str, ...] = ()
    unanswered: frozenset[str] = frozenset()

    def file(self, path: str) -> Path:
        """Give the place of a file that the session names."""
        return Path(self.folder, path)

    def save(self, directory: Path, *, force: bool = False) -> None:
        """Write the session as a directory, whole or not at all.

        Raises:
            ProfkitError: The directory exists and is no session, or is one and `force` is False.
        """
        refuse_to_replace(directory, force=force)
        header = {
            "schema_version": SCHEMA_VERSION,
            "title": self.title,
            "created": self.created,
            "inputs": dict(self.inputs),
            "folder": self.folder,
            "sides": list(self.sides),
            "not_judged": list(self.not_judged),
            "unanswered": sorted(self.unanswered),
        }
        try:
            with directory_in_one_step(directory) as building:
                for name in _PARQUET_FRAMES:
                    write_frame(building / f"{name}.parquet", getattr(self, name))
                _write_json(building / _FINDINGS, findings_as_records(self.findings))
                _write_json(building / _HEADER, header)
        except OSError as error:
            raise ProfkitError(f"{directory} cannot be written: {error.strerror}", "choose another place") from error

    @classmethod
    def load(cls, directory: Path) -> Session:
        """Read a saved session.

        Raises:
            UnreadableInputError: It is damaged or of another schema version.
        """
        header = _read_json(directory / _HEADER)
        if not isinstance(header, dict) or header.get("schema_version") != SCHEMA_VERSION:
            found = header.get("schema_version") if isinstance(header, dict) else None
            raise UnreadableInputError(
                f"{directory} is a session of schema {found}, this profkit reads {SCHEMA_VERSION}",
                "run `profkit triage` again with this version",
            )
        frames = {name: read_frame(directory / f"{name}.parquet", spec) for name, spec in _PARQUET_FRAMES.items()}
        try:
            reference, run = header["sides"]
            return cls(
                title=str(header["title"]),
                created=str(header["created"]),
                inputs={str(role): str(path) for role, path in header["inputs"].items()},
                folder=str(header.get("folder", "")),
                sides=(str(reference), str(run)),
                not_judged=tuple(str(sentence) for sentence in header["not_judged"]),
                unanswered=frozenset(str(question) for question in header["unanswered"]),
                findings=_findings_from_records(_read_json(directory / _FINDINGS), directory),
                **frames,
            )
        except (KeyError, AttributeError, TypeError, ValueError) as error:
            raise UnreadableInputError(
                f"{directory / _HEADER} lacks {error}", "run `profkit triage` again to make the session anew"
            ) from error


def is_session(path: Path) -> bool:
    """Whether the path is a saved session."""
    return (path / _HEADER).is_file() and (path / _FINDINGS).is_file()


def refuse_to_replace(directory: Path, *, force: bool) -> None:
    """Let no session be saved over what is no session, nor over another one unasked.

    Raises:
        ProfkitError: The directory exists and is no session, or is one and `force` is False.
    """
    if directory.exists() and not is_session(directory):
        raise ProfkitError(f"{directory} exists and is no session", "choose another directory with -o")
    if directory.exists() and not force:
        raise ProfkitError(f"{directory} holds a session already", "add --force to replace it")


def findings_as_records(findings: pd.DataFrame) -> list[dict[str, object]]:
    """Give findings as plain JSON values: one dict a finding, None for NA, groups a list of int."""
    records: list[dict[str, object]] = []
    for row in findings.to_dict("records"):
        record = {str(name): None if name != "groups" and pd.isna(value) else value for name, value in row.items()}
        record["groups"] = [int(group) for group in row["groups"]]
        records.append(record)
    return records


def _findings_from_records(records: object, directory: Path) -> pd.DataFrame:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise UnreadableInputError(f"{directory / _FINDINGS} is no list of findings", "make the session anew")
    return FINDINGS.from_rows(records)


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableInputError(f"{path} cannot be read: {error}", "make the session anew") from error
