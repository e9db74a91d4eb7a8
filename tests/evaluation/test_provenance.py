"""A figure says which code, clips and software it comes from."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from affekt import __version__
from affekt.data.manifest import Clip
from affekt.errors import DataError
from affekt.evaluation.provenance import commit, data_fingerprint, software_versions


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    made = []
    for number in range(4):
        file = tmp_path / f"{number}.wav"
        file.write_bytes(b"x" * (number + 1))
        made.append(Clip(file, "happy"))
    return made


def test_the_fingerprint_ignores_order_and_place(clips: list[Clip], tmp_path: Path) -> None:
    moved = []
    for clip in clips:
        (tmp_path / "moved").mkdir(exist_ok=True)
        file = shutil.copy(clip.file, tmp_path / "moved" / clip.file.name)
        moved.append(replace(clip, file=Path(file)))
    assert data_fingerprint(moved[::-1]) == data_fingerprint(clips)
    assert re.fullmatch("[0-9a-f]{64}", data_fingerprint(clips))


def test_the_fingerprint_sees_labels_sizes_stretches_and_missing_clips(clips: list[Clip]) -> None:
    fingerprints = {
        data_fingerprint(clips),
        data_fingerprint(clips[:-1]),
        data_fingerprint([*clips[:-1], replace(clips[-1], emotion="sad")]),
        data_fingerprint([*clips[:-1], replace(clips[-1], start=0.5)]),
    }
    clips[0].file.write_bytes(b"longer")
    fingerprints.add(data_fingerprint(clips))
    assert len(fingerprints) == 5


def test_the_fingerprint_names_a_missing_file(clips: list[Clip]) -> None:
    clips[2].file.unlink()
    with pytest.raises(DataError, match=r"cannot read .*2\.wav: No such file"):
        data_fingerprint(clips)


def test_versions_of_installed_packages() -> None:
    versions = software_versions()
    assert versions["numpy"] == np.__version__
    assert versions["affekt"] == __version__
    assert re.match(r"3\.\d+\.\d+", versions["python"])


class TestCommit:
    """The commit of the code, and whether the code still is that commit."""

    @pytest.fixture
    def clone(self, tmp_path: Path) -> Path:
        if not shutil.which("git"):
            pytest.skip("needs git")
        for path in ("src/code.py", "docs/page.md"):
            (tmp_path / path).parent.mkdir()
            (tmp_path / path).write_text("first\n")
        author = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for arguments in (["init", "-q"], ["add", "."], [*author, "commit", "-q", "-m", "one"]):
            subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True)
        return tmp_path

    def test_is_a_hash(self, clone: Path) -> None:
        assert re.fullmatch("[0-9a-f]{40}", commit(clone / "src"))

    def test_is_dirty_when_code_changed(self, clone: Path) -> None:
        clean = commit(clone / "src")
        (clone / "src" / "code.py").write_text("second\n")
        assert commit(clone / "src") == f"{clean}-dirty"

    def test_is_dirty_when_code_was_added(self, clone: Path) -> None:
        (clone / "src" / "new.py").write_text("first\n")
        assert commit(clone / "src").endswith("-dirty")

    def test_is_not_dirty_when_only_the_documentation_changed(self, clone: Path) -> None:
        (clone / "docs" / "page.md").write_text("second\n")
        assert not commit(clone / "src").endswith("-dirty")

    def test_is_unknown_outside_of_git(self, tmp_path: Path) -> None:
        assert commit(tmp_path) == "unknown"

    def test_is_unknown_in_a_folder_that_somebody_elses_clone_ignores(self, clone: Path) -> None:
        (clone / "site-packages").mkdir()
        (clone / "site-packages" / "affekt.py").write_text("installed\n")
        assert commit(clone / "site-packages") == "unknown"

    def test_is_unknown_without_git(self, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", str(clone / "nothing"))
        assert commit(clone / "src") == "unknown"
