"""Pictures show every part, and those of the pages are of the networks as they are."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tiny_network import TINY_OPTIONS, tiny_network

from affekt.models import architecture_facts, dissect, draw_network
from affekt.models.anatomy import repeated
from affekt.models.frontend import FrontendConfig
from affekt.models.picture import WIDTH, draw_parts, parts_from, parts_to
from affekt.models.survey import fit_for

ROOT = Path(__file__).resolve().parents[2]
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_every_part_is_in_the_picture(name: str) -> None:
    network = tiny_network(architecture=name, options=TINY_OPTIONS[name], intensity=True)
    svg = draw_network(network)
    said = texts(svg)
    groups = repeated(dissect(network))
    for part, count in groups:
        assert part.title + (f"  × {count}" if count > 1 else "") in said
        for line in part.details:
            assert line in said
        assert part.title in (ElementTree.fromstring(svg).findtext(f"{SVG}desc") or "")
    boxes = re.findall(r'<rect class="box"', svg)
    assert len(boxes) == len(groups)
    frontend = network.config.frontend
    assert f"{frontend.channels} rows, {frontend.frames_per_second:g} frames/s" in said
    total = sum(p.numel() for p in network.parameters())
    assert f"{total:,} parameters" in said


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_boxes_neither_overlap_nor_stick_out(name: str) -> None:
    svg = draw_network(tiny_network(architecture=name, options=TINY_OPTIONS[name]))
    root = ElementTree.fromstring(svg)
    height = float(root.attrib["height"])
    boxes = []
    for rect in root.iter(f"{SVG}rect"):
        if rect.attrib["class"] != "ground":
            x, y, w, h = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
            boxes.append((x, y, x + w, y + h))
    for one in boxes:
        assert 0 < one[0] < one[2] < WIDTH
        assert 0 < one[1] < one[3] < height
    for i, one in enumerate(boxes):
        for other in boxes[i + 1 :]:
            apart = one[2] <= other[0] or other[2] <= one[0]
            assert apart or one[3] <= other[1] or other[3] <= one[1]


def test_a_picture_reads_in_the_dark_too() -> None:
    svg = draw_network(tiny_network())
    light, dark = re.split(r"@media\(prefers-color-scheme:dark\)", svg.partition("</style>")[0])
    for kind in {*re.findall(r'class="(\w+)"', svg)}:
        assert f".{kind}{{" in light
        assert f".{kind}{{" in dark


def test_parts_survive_json() -> None:
    parts = dissect(tiny_network())
    assert parts_from(json.loads(json.dumps(parts_to(parts)))) == parts


@pytest.fixture(scope="module")
def benchmark() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "benchmarks" / "architectures.py"))


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_what_is_stored_is_the_network_as_it_is(benchmark: dict[str, Any], name: str) -> None:
    stored = benchmark["REPORT"].load()["architectures"][name]
    facts = architecture_facts(name, frontend=FrontendConfig(normalisation="local"))
    hint = "run: python benchmarks/architectures.py"
    assert parts_from(stored["parts"]) == list(facts.parts), hint
    for key in ("parameters", "multiply_adds_per_second", "receptive_field", "streamable"):
        assert stored[key] == getattr(facts, key), hint
    assert facts.paper is not None
    assert stored["paper"] == facts.paper._asdict(), hint


@pytest.mark.parametrize("name", sorted(TINY_OPTIONS))
def test_the_page_shows_each_architecture(benchmark: dict[str, Any], name: str) -> None:
    from dataclasses import replace

    result = benchmark["REPORT"].load()
    report = replace(benchmark["REPORT"], part=name)
    text = report.page.read_text(encoding="utf-8")
    assert text.count(report.begin) == text.count(report.end) == 1
    assert text.index(f"## {name}\n") < text.index(report.begin)
    assert report.shown() == benchmark["section"](name, result), "run `make tables`"
    drawn = benchmark["picture"](name).read_text(encoding="utf-8")
    assert drawn == benchmark["drawn"](name, result), "run `make tables`"
    assert drawn == draw_parts(architecture_facts(name).parts, name, fit_for(name))
