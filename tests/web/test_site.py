"""The folder for browsers: complete, self-contained, and written whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from affekt.errors import ConfigError, ModelError
from affekt.web.site import STATIC, static_page, write_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, engine: Path) -> Path:
    folder = tmp_path_factory.mktemp("web") / "site"
    write_site(tiny_model, folder)
    return folder


def test_everything_a_page_asks_for_is_there(site: Path) -> None:
    asked = set()
    for path in site.rglob("*"):
        if path.suffix in {".html", ".js"} and "runtime" not in path.parts:
            text = path.read_text(encoding="utf-8")
            for name in re.findall(r'(?:src|href|from)=?\s?"([\w./-]+\.\w+)"', text):
                asked.add((path.parent / name).resolve())
    assert len(asked) > 10
    assert [path for path in asked if not path.is_file()] == []


def test_no_other_host_is_named(site: Path) -> None:
    # Names of XML are no addresses.
    address = re.compile(r"(?:https?:|wss?:)?//(?!www\.w3\.org/2000/svg)[a-z0-9-]+\.[a-z]", re.I)
    ours = [path for path in site.rglob("*") if path.suffix in {".html", ".js", ".css", ".svg"}]
    found = {
        path.name: address.findall(path.read_text(encoding="utf-8"))
        for path in ours
        if "runtime" not in path.parts
    }
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_the_page_has_neither_scripts_nor_styles_inside() -> None:
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert "'unsafe-inline'" not in page
    assert re.findall(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page) == []


def test_the_package_tells_where_things_are(site: Path) -> None:
    package = json.loads((site / "package.json").read_text())
    entry = package["exports"]["."]
    assert (site / entry["default"]).is_file()
    assert (site / entry["types"]).is_file()
    assert (site / package["affekt"]["model"] / "model.onnx").is_file()


def test_the_types_name_what_the_module_gives(site: Path) -> None:
    types = (site / "static" / "affekt.d.ts").read_text()
    module = (site / "static" / "affekt.js").read_text()
    declared = set(re.findall(r"^export (?:class|function|const) (\w+)", types, re.MULTILINE))
    given = set(re.findall(r"^export (?:async )?(?:class|function) (\w+)", module, re.MULTILINE))
    for names in re.findall(r"^export \{([^}]*)\}", module, re.MULTILINE):
        given |= {name.strip() for name in names.split(",")}
    assert declared == given


def test_the_static_page_knows_its_model() -> None:
    page = static_page("mine")
    assert '<meta name="affekt-server" content="none">' in page
    assert '<meta name="affekt-models" content="mine">' in page


def test_writing_again_keeps_other_files(site: Path, tiny_model: Path) -> None:
    (site / "mine.txt").write_text("kept")
    write_site(tiny_model, site)
    assert (site / "mine.txt").read_text() == "kept"


def test_a_file_is_no_folder(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "site").write_text("a file")
    with pytest.raises(ConfigError, match="site is a file: a web site is a folder"):
        write_site(tiny_model, tmp_path / "site")


def test_a_name_must_fit_an_address(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model", name="../evil")
    with pytest.raises(ModelError, match=r"named '\.\./evil'"):
        write_site(model, tmp_path / "site")
    assert not (tmp_path / "site").exists()


def test_a_model_without_its_graph_is_refused(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "model")
    (model / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"has no model\.onnx"):
        write_site(model, tmp_path / "site")
