"""Files of hints: what they say, and one clear sentence for what they cannot mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from profkit.errors import UnreadableInputError
from profkit.parsers.alignment_hints import AlignmentHints, PairHint, read_alignment_hints


def test_a_file_of_every_sort_of_hint(tmp_path: Path) -> None:
    path = tmp_path / "hints.toml"
    path.write_text(
        """
        [modules]
        "encoder.layer.*" = "encoder.layers.*"
        [classes]
        "npu_my_attention*" = "attention"
        [[pairs]]
        ref = "aten::my_gate"
        run = "MyGate*"
        phase = "forward"
        """
    )
    assert read_alignment_hints(path) == AlignmentHints(
        {"encoder.layer.*": "encoder.layers.*"},
        {"npu_my_attention*": "attention"},
        (PairHint("aten::my_gate", "MyGate*", phase="forward"),),
    )
    path.write_text("")
    assert not read_alignment_hints(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[modules\n", "no TOML"),
        (b"\xff\xfe\x00", "no text"),
        (b'[modules]\n"a" = 3\n', "no hint"),
        (b'[module]\n"a" = "b"\n', "module"),
        (b'[classes]\n"MyOp" = "matmull"\n', "matmull"),
        (b'[modules]\n"a.*" = "b"\n', "number of *"),
        (b'[modules]\n"a" = ""\n', "empty"),
        (b'[[pairs]]\nref = "a"\n', "run"),
        (b'[[pairs]]\nref = "a"\nrun = ""\n', "empty"),
        (b'[[pairs]]\nref = "a"\nrun = "b"\nphase = "sideways"\n', "sideways"),
        (b'[[pairs]]\nref = "a"\nrun = "b"\nsteps = 3\n', "steps"),
        (b"pairs = 1\n", "pairs"),
        (b"a = " + b"[" * 20_000, "TOML"),
        (b'"\\u001b[31m" = 1\n', "no hint"),
        (b"#" * (2 << 20), "larger"),
    ],
)
def test_what_is_no_hint_gives_one_sentence(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "hints.toml"
    path.write_bytes(content)
    with pytest.raises(UnreadableInputError) as caught:
        read_alignment_hints(path)
    assert words in caught.value.message
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < len(str(path)) + 400
    assert caught.value.hint


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="No such file"):
        read_alignment_hints(tmp_path / "none.toml")
