from __future__ import annotations

import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from profkit.errors import UnreadableInputError
from profkit.parsers import packed_directory
from profkit.parsers.packed_directory import Unpacked, is_packed_directory, unpack
from profkit.progress import silent

FILES = {"rank_0/a.npy": os.urandom(5000), "rank_0/Net/0/b.npy": b"", "c \u00e9.txt": b"text"}


def plain(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    return info, content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def packed(path: Path, *members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> Path:
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".xz": "w:xz", ".bz2": "w:bz2", ".tar": "w"}[path.suffix]
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return path


def unpacked(path: Path, most_bytes: int = 1 << 30) -> tuple[dict[str, bytes], Unpacked]:
    target = path.parent / "target"
    target.mkdir()
    result = unpack(path, target, silent, most_bytes)
    files = [file for file in target.rglob("*") if file.is_file()]
    return {str(file.relative_to(target)): file.read_bytes() for file in files}, result


@pytest.mark.parametrize("end", [".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.bz2"])
@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_every_compression_of_tar(tmp_path: Path, end: str, form: int) -> None:
    long = {"deep/" * 40 + "x" * 200: b"long name"}
    members = [plain(name, content) for name, content in {**FILES, **long}.items()]
    path = packed(tmp_path / f"run{end}", special("./", tarfile.DIRTYPE), *members, form=form)
    assert is_packed_directory(path)
    files, result = unpacked(path)
    assert files == {**FILES, **long}
    assert result == Unpacked(4, sum(map(len, files.values())), 0, "")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "run.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.mkdir("empty")
        for name, content in FILES.items():
            archive.writestr(name, content)
    assert is_packed_directory(path)
    files, _ = unpacked(path)
    assert files == FILES
    assert (tmp_path / "target" / "empty").is_dir()


def test_streams_in_a_row_are_one_archive(tmp_path: Path) -> None:
    tar = packed(tmp_path / "a.tar", plain("a", b"1" * 3000)).read_bytes()
    (tmp_path / "b.tar.xz").write_bytes(lzma.compress(tar[:1000]) + lzma.compress(tar[1000:]))
    assert unpacked(tmp_path / "b.tar.xz")[0] == {"a": b"1" * 3000}


def test_what_is_no_archive_of_files(tmp_path: Path) -> None:
    for name, content in {
        "a.tar": b"PK\x03\x04 a checkpoint",
        "b.pth": b"PK\x03\x04",
        "c.json.gz": b"\x1f\x8b",
        "d.zip": b"no",
        "e.tar": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert not is_packed_directory(tmp_path / name)
    (tmp_path / "f.zip").mkdir()
    assert not is_packed_directory(tmp_path / "f.zip")


@pytest.mark.parametrize("name", ["../a", "/etc/a", "a/../../b", "a/..", "..\\a", "d/" * 100 + "a", "C:\\a"])
@pytest.mark.parametrize("end", [".tar", ".zip"])
def test_a_name_that_leads_out_refuses_the_archive(tmp_path: Path, name: str, end: str) -> None:
    path = tmp_path / f"run{end}"
    if end == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"x")
    else:
        packed(path, plain("good"), plain(name))
    before = set(tmp_path.parent.iterdir())
    with pytest.raises(UnreadableInputError, match=r"refused: a member (is named|lies)"):
        unpacked(path)
    assert set(tmp_path.parent.iterdir()) == before
    assert {file.name for file in (tmp_path / "target").rglob("*")} <= {"good"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_not_made(tmp_path: Path, kind: bytes) -> None:
    path = packed(tmp_path / "a.tar", plain("good"), special("bad", kind, "/etc/passwd"), plain("after"))
    files, result = unpacked(path)
    assert set(files) == {"good", "after"}
    assert result.skipped == 1
    assert not (tmp_path / "target" / "bad").is_symlink()


def test_a_file_is_not_written_through_a_link_of_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar", special("d", tarfile.SYMTYPE, str(tmp_path)), plain("d/escaped"))
    unpacked(path)
    assert not (tmp_path / "escaped").exists()


def test_links_in_a_zip_are_not_made(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("bad")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
        archive.writestr("good", b"x")
    files, result = unpacked(tmp_path / "a.zip")
    assert set(files) == {"good"}
    assert result.skipped == 1


def test_one_name_twice_refuses_the_archive(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInputError, match="twice"):
        unpacked(packed(tmp_path / "a.tar", plain("a"), plain("./a")))


def zip_of_zeros(path: Path, size: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(size))
    return path


def tar_of_zeros(path: Path, size: int) -> Path:
    return packed(path, plain("zeros", bytes(size)))


BOMBS: dict[str, Callable[[Path, int], Path]] = {
    "a.zip": zip_of_zeros,
    "a.tar.gz": tar_of_zeros,
    "a.tar.xz": tar_of_zeros,
    "a.tar.bz2": tar_of_zeros,
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_a_bomb_is_refused_while_it_goes_off(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_directory, "_RATIO_FROM_BYTES", 1 << 20)
    monkeypatch.setattr(packed_directory, "_HIGHEST_RATIO", 100)
    path = BOMBS[name](tmp_path / name, 8 << 20)
    with pytest.raises(UnreadableInputError, match="zip bomb"):
        unpacked(path)
    assert sum(file.stat().st_size for file in (tmp_path / "target").rglob("*")) < 4 << 20


@pytest.mark.parametrize("name", list(BOMBS))
def test_more_than_the_limit_is_not_unpacked(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnreadableInputError, match="more than 1,000 bytes"):
        unpacked(BOMBS[name](tmp_path / name, 1 << 20), most_bytes=1000)


def test_the_size_that_a_zip_claims_is_not_believed(tmp_path: Path) -> None:
    path = zip_of_zeros(tmp_path / "a.zip", 1 << 20)
    content = path.read_bytes()
    size = (1 << 20).to_bytes(4, "little")
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(UnreadableInputError):
        unpacked(path, most_bytes=1000)


def test_members_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_directory, "_MOST_MEMBERS", 5)
    with pytest.raises(UnreadableInputError, match="members"):
        unpacked(packed(tmp_path / "a.tar", *(special(f"d{n}", tarfile.DIRTYPE) for n in range(6))))


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE])
def test_a_header_of_any_length_is_not_read_into_memory(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, 64 << 20
    path = tmp_path / "a.tar.xz"
    with lzma.open(path, "wb", preset=0) as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(64):
            file.write(bytes(1 << 20))
    with pytest.raises(UnreadableInputError, match="a header in it has"):
        unpacked(path)


def test_sparse_members_are_not_expanded(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "sparse",
        "GNU.sparse.size": str(1 << 50), "GNU.sparse.numblocks": "1", "GNU.sparse.map": f"{(1 << 50) - 1},1",
    }  # fmt: skip
    info.size = 1
    files, result = unpacked(packed(tmp_path / "a.tar", (info, b"x"), plain("good")))
    assert set(files) == {"good"}
    assert result.skipped == 1


def test_an_xz_header_that_asks_for_much_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_directory, "_XZ_MEMORY", 1 << 16)
    with pytest.raises(UnreadableInputError, match="cut or damaged"):
        unpacked(packed(tmp_path / "a.tar.xz", plain("a")))


@pytest.mark.parametrize("end", [".tar", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip"])
def test_a_cut_archive_gives_whole_files_or_a_reason(tmp_path: Path, end: str) -> None:
    content = {f"f{number}": os.urandom(90_000) for number in range(8)}
    path = tmp_path / f"whole{end}"
    if end == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in content.items():
                archive.writestr(name, data)
    else:
        packed(path, *(plain(name, data) for name, data in content.items()))
    whole = path.read_bytes()
    salvaged = 0
    for step in range(1, 12):
        folder = tmp_path / str(step)
        folder.mkdir()
        cut = folder / f"cut{end}"
        cut.write_bytes(whole[: len(whole) * step // 12])
        try:
            files, result = unpacked(cut)
        except UnreadableInputError:
            continue
        assert result.damage
        assert files.items() <= content.items()
        salvaged += len(files)
    assert salvaged or end in {".zip", ".tar.bz2"}


def test_noise_is_a_typed_error(tmp_path: Path) -> None:
    for number, begin in enumerate([b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh9", b"PK\x03\x04", bytes(257) + b"ustar"]):
        end = ".zip" if begin.startswith(b"PK") else ".tar"
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / f"a{end}").write_bytes(begin + os.urandom(4096))
        with pytest.raises(UnreadableInputError):
            unpacked(folder / f"a{end}")
