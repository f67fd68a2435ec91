"""The dataset pipeline of a MindSpore run that lies alone, without the operators of the network."""

from __future__ import annotations

from pathlib import Path

from profkit.errors import ImportIssue, UnreadableInputError
from profkit.parsers.base import Descriptor, Parsed, Recognition
from profkit.parsers.mindspore.dataset_pipeline import file_number, files_read, pipeline_files, read_pipeline
from profkit.progress import Progress


class MindSporePipelineProfile:
    """Parser of the files that minddata writes: those of one number in a directory are one recording."""

    descriptor = Descriptor(
        name="mindspore-dataset-pipeline",
        title="dataset pipeline of a MindSpore run by itself (pipeline_profiling, minddata_*, device_queue_profiling)",
        framework="mindspore",
        clock="none",
        unit="ms",
        frames=("data_pipeline",),
    )

    def sniff(self, path: Path) -> Recognition | None:
        """Recognise one of the files by its name; their contents have no mark of their own."""
        if not path.is_file() or (number := file_number(path)) is None:
            return None
        files = pipeline_files([path.parent], number)
        reason = f"it is named as a file of MindSpore's dataset pipeline, number {number}"
        return Recognition(reason, tuple(sorted(files.values())))

    def read(self, path: Path, progress: Progress) -> Parsed:
        """Read the files of its number.

        Raises:
            UnreadableInputError: None of them gave a row.
        """
        number = file_number(path)
        files = pipeline_files([path.parent], number)
        issues: list[ImportIssue] = []
        progress("reading", path.name, None)
        frame = read_pipeline(files, issues)
        if frame.empty:
            reasons = "; ".join(issue.text for issue in issues) or "no operator and no batch was recorded"
            raise UnreadableInputError(f"{path}: no row could be read: {reasons}", "record the run again")
        rank = -1 if number is None else number
        unread = sorted(file.name for file in set(files.values()) - set(files_read(files).values()))
        facts = {"not_read": ", ".join(unread)} if unread else {}
        return Parsed(
            {"data_pipeline": frame.assign(rank=rank).astype({"rank": "int32"})}, issues, "mindspore", rank, None, facts
        )
