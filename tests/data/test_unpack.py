from __future__ import annotations

import io
import shutil
import stat
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from tiny_corpus import make_emodb, make_ravdess, tar_folder, zip_folder

from affekt.data.fetch import unpack
from affekt.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "inner" / "corpus"
    folder.mkdir(parents=True)
    return folder


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("stored", [True, False])
def test_everything_comes_out(tmp_path: Path, folder: Path, stored: bool) -> None:
    packed = make_emodb(tmp_path / "packed")
    archive = zip_folder(packed, tmp_path / "a.zip", stored=stored)
    unpack(archive, folder)
    assert files_in(folder) == files_in(packed)
    assert archive.exists()


def test_an_interrupted_unpacking_goes_on(tmp_path: Path, folder: Path) -> None:
    packed = make_ravdess(tmp_path / "packed")
    archive = zip_folder(packed, tmp_path / "a.zip")
    unpack(archive, folder)
    kept, cut, gone = sorted(path for path in folder.rglob("*.wav"))
    cut.write_bytes(b"half")
    gone.unlink()
    written = kept.stat().st_mtime_ns
    unpack(archive, folder)
    assert files_in(folder) == files_in(packed)
    assert kept.stat().st_mtime_ns == written


@pytest.mark.parametrize(
    "name",
    ["../out.wav", "a/../../out.wav", "/out.wav", "..\\out.wav", "C:\\out.wav", "C:/out.wav"],
)
def test_nothing_leaves_the_folder(tmp_path: Path, folder: Path, name: str) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("good.wav", b"good")
        file.writestr(name, b"evil")
    with pytest.raises(DataError, match=r"not safe to unpack: .* leads out of the folder"):
        unpack(archive, folder)
    assert files_in(tmp_path) == {"a.zip": archive.read_bytes()}


def test_links_are_refused(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.wav")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match="not safe to unpack: 'link.wav'"):
        unpack(archive, folder)


def test_what_macos_adds_stays_out(tmp_path: Path, folder: Path) -> None:
    archive = tmp_path / "a.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("__MACOSX/._a.wav", b"x")
        file.writestr("wav/", b"")
        file.writestr("wav/a.wav", b"x")
    unpack(archive, folder)
    assert files_in(folder) == {"wav/a.wav": b"x"}


@pytest.mark.parametrize("stored", [True, False])
def test_a_damaged_member_is_found_by_its_crc(tmp_path: Path, folder: Path, stored: bool) -> None:
    archive = zip_folder(make_ravdess(tmp_path / "packed"), tmp_path / "a.zip", stored=stored)
    content = bytearray(archive.read_bytes())
    content[1000:1004] = b"\0\1\2\3"
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip is damaged .* it was removed"):
        unpack(archive, folder)
    assert not archive.exists()
    assert files_in(folder) == {}


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"PK\3\4 and no more"])
def test_what_is_no_archive_is_refused(tmp_path: Path, folder: Path, content: bytes) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        unpack(archive, folder)


def test_a_full_disk_is_said_before_unpacking(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = zip_folder(make_emodb(tmp_path / "packed"), tmp_path / "a.zip")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 9, 1))
    with pytest.raises(DataError, match=r"has no room for the [\d,]+ bytes of a\.zip"):
        unpack(archive, folder)
    assert files_in(folder) == {}


class TestTar:
    """Tar archives keep the same rules."""

    def test_everything_comes_out(self, tmp_path: Path, folder: Path) -> None:
        packed = make_emodb(tmp_path / "packed")
        unpack(tar_folder(packed, tmp_path / "a.tgz"), folder)
        assert files_in(folder) == files_in(packed)

    @pytest.mark.parametrize("name", ["../out.wav", "/out.wav", "a/../../out.wav"])
    def test_nothing_leaves_the_folder(self, tmp_path: Path, folder: Path, name: str) -> None:
        archive = tmp_path / "a.tgz"
        with tarfile.open(archive, "w:gz") as file:
            for member in ("good.wav", name):
                entry = tarfile.TarInfo(member)
                entry.size = 4
                file.addfile(entry, io.BytesIO(b"evil"))
        with pytest.raises(DataError, match=r"not safe to unpack: .* leads out of the folder"):
            unpack(archive, folder)
        assert files_in(tmp_path) == {"a.tgz": archive.read_bytes()}

    @pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
    def test_links_and_devices_are_refused(self, tmp_path: Path, folder: Path, kind: bytes) -> None:
        archive = tmp_path / "a.tgz"
        with tarfile.open(archive, "w:gz") as file:
            entry = tarfile.TarInfo("link.wav")
            entry.type, entry.linkname = kind, "/etc/passwd"
            file.addfile(entry)
        with pytest.raises(DataError, match=r"not safe to unpack: 'link\.wav'"):
            unpack(archive, folder)

    @pytest.mark.parametrize("cut", [20, 2000, -2000])
    def test_a_damaged_archive_is_removed(self, tmp_path: Path, folder: Path, cut: int) -> None:
        archive = tar_folder(make_ravdess(tmp_path / "packed"), tmp_path / "a.tgz")
        archive.write_bytes(archive.read_bytes()[:cut])
        with pytest.raises(DataError, match=r"a\.tgz is damaged .* it was removed"):
            unpack(archive, folder)
        assert not archive.exists()
