"""Which parsers there are, in the order they are asked, and which one a path belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from profkit.errors import ProfkitError
from profkit.parsers.base import Parser, Recognition

# name -> "module:class". Asked from top to bottom, first claim wins: the more a format demands of its content, the
# higher it stands; plain .npy files, which nearly everything contains, stand last.
_BUILT_IN: dict[str, str] = {
    "mindspore-cpu-profile": "profkit.parsers.mindspore.cpu_profile:MindSporeCpuProfile",
    "mindspore-legacy-profile": "profkit.parsers.mindspore.legacy_profile:MindSporeLegacyProfile",
    "mindspore-gpu-profile": "profkit.parsers.mindspore.gpu_profile:MindSporeGpuProfile",
    "ascend-text-profile": "profkit.parsers.ascend.text_profile:AscendTextProfile",
    "ascend-database": "profkit.parsers.ascend.database:AscendDatabase",
    "mindspore-dataset-pipeline": "profkit.parsers.mindspore.pipeline_profile:MindSporePipelineProfile",
    "torch-execution-trace": "profkit.parsers.pytorch.execution_trace:TorchExecutionTrace",
    "kineto-trace": "profkit.parsers.pytorch.kineto_trace:KinetoTrace",
    "mindspore-dump": "profkit.parsers.dump.mindspore_dump:MindSporeDump",
    "profkit-capture": "profkit.parsers.dump.captured_tensors:CapturedTensors",
    "msprobe-dump": "profkit.parsers.dump.msprobe_dump:MsprobeDump",
    "torch-checkpoint": "profkit.parsers.checkpoint.torch_checkpoint:TorchCheckpoint",
    "safetensors": "profkit.parsers.checkpoint.safetensors_checkpoint:SafetensorsCheckpoint",
    "mindspore-checkpoint": "profkit.parsers.checkpoint.mindspore_checkpoint:MindSporeCheckpoint",
    "saved-tensors": "profkit.parsers.dump.saved_tensors:SavedTensors",
}

# Files that a parser need not be asked about, nor be imported for: by their names they are text.
_TEXT = (".json", ".csv", ".txt", ".gz")
_NEVER_TEXT = frozenset({"ascend-database"})

_ENTRY_POINT_GROUP = "profkit.parsers"


@dataclass(frozen=True)
class Claim:
    """The parser a path belongs to, and why."""

    parser: Parser
    recognition: Recognition


@cache
def _plug_ins() -> dict[str, EntryPoint]:
    """Look once: finding entry points reads a file of every installed package."""
    return {point.name: point for point in entry_points(group=_ENTRY_POINT_GROUP)}


def parser_names() -> list[str]:
    """Names of all parsers in the order they are asked; imports none of them."""
    return [*_BUILT_IN, *sorted(_plug_ins())]


@cache
def parser_named(name: str) -> Parser:
    """Import and build one parser.

    Raises:
        ProfkitError: No parser has this name, or a plug-in cannot be imported.
    """
    target = _BUILT_IN.get(name)
    if target is None:
        point = _plug_ins().get(name)
        if point is None:
            raise ProfkitError(f"no parser is named {name!r}", f"known parsers: {', '.join(parser_names())}")
        target = point.value
    module_name, _, class_name = target.partition(":")
    try:
        parser: Parser = getattr(import_module(module_name), class_name)()
    except ImportError as error:
        raise ProfkitError(
            f"the parser plug-in {name!r} cannot be imported: {error}", "uninstall or repair it"
        ) from error
    return parser


def claim(path: Path) -> Claim | None:
    """Give the first parser that recognises the path, or None: unknown is an answer, not an error."""
    is_text = path.suffix.lower() in _TEXT and path.is_file()
    for name in parser_names():
        if is_text and name in _NEVER_TEXT:
            continue
        parser = parser_named(name)
        recognition = parser.sniff(path)
        if recognition is not None:
            return Claim(parser, recognition)
    return None
