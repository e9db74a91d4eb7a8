from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from affekt.config import build, read_toml, to_dict
from affekt.errors import ConfigError


@dataclass(frozen=True)
class Engine:
    cylinders: int = 4
    litres: float = 1.6
    turbo: bool = False

    def __post_init__(self) -> None:
        if self.cylinders < 1:
            raise ConfigError(f"engine.cylinders must be positive, got {self.cylinders}")


@dataclass(frozen=True)
class Car:
    name: str
    engine: Engine = field(default_factory=Engine)
    gears: tuple[float, ...] = (3.5, 2.0)
    colour: str | None = None
    weights: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def read(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "car.toml"
    path.write_text(text, encoding="utf-8")
    return read_toml(path)


def test_toml_becomes_nested_dataclasses(tmp_path: Path) -> None:
    values = read(
        tmp_path,
        """
        name = "beetle"
        gears = [4, 2.5]
        colour = "grün"
        weights = {front = 1, rear = 0.5}
        notes = {owner = "me", years = [1968, 1970]}
        [engine]
        litres = 2
        turbo = true
        """,
    )
    car = build(Car, values, "car")
    assert car == Car(
        name="beetle",
        engine=Engine(cylinders=4, litres=2.0, turbo=True),
        gears=(4.0, 2.5),
        colour="grün",
        weights={"front": 1.0, "rear": 0.5},
        notes={"owner": "me", "years": [1968, 1970]},
    )


def test_a_whole_number_becomes_a_float() -> None:
    car = build(Car, {"name": "a", "gears": [4], "weights": {"rear": 1}}, "car")
    engine = build(Engine, {"litres": 2}, "engine")
    assert [type(value) for value in (engine.litres, car.gears[0], car.weights["rear"])] == (
        [float] * 3
    )


def test_what_is_left_out_has_its_default() -> None:
    assert build(Car, {"name": "a"}, "car") == Car("a")


def test_an_optional_value_may_be_none() -> None:
    assert build(Car, {"name": "a", "colour": None}, "car").colour is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"wheels": 4}, r"unknown key car\.wheels: expected one of colour, engine, gears, name, "),
        ({"engine": {"power": 1}}, r"unknown key car\.engine\.power: .* cylinders, litres, turbo"),
        ({"engine": {"cylinders": True}}, r"car\.engine\.cylinders must be int, got True"),
        ({"engine": {"cylinders": 4.0}}, r"car\.engine\.cylinders must be int, got 4\.0"),
        ({"engine": {"litres": "2"}}, r"car\.engine\.litres must be float, got '2'"),
        ({"engine": {"litres": True}}, r"car\.engine\.litres must be float, got True"),
        ({"engine": {"turbo": 1}}, r"car\.engine\.turbo must be bool, got 1"),
        ({"engine": 4}, r"car\.engine must be a table, got 4"),
        ({"gears": 3.5}, r"car\.gears must be a list, got 3\.5"),
        ({"gears": "35"}, r"car\.gears must be a list, got '35'"),
        ({"gears": [3.5, "2"]}, r"car\.gears\[1\] must be float, got '2'"),
        ({"name": ["a"]}, r"car\.name must be str, got \['a'\]"),
        ({"name": None}, r"car\.name must be str, got None"),
        ({"colour": 3}, r"car\.colour must be str, got 3"),
        ({"weights": [1.0]}, r"car\.weights must be a table"),
        ({"weights": {"rear": "heavy"}}, r"car\.weights\.rear must be float, got 'heavy'"),
        ({"engine": {"cylinders": 0}}, r"engine\.cylinders must be positive, got 0"),
    ],
)
def test_a_mistake_is_named_with_its_place(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(Car, {"name": "a", **values}, "car")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match=r"^missing key car\.name$"):
        build(Car, {"colour": "red"}, "car")


def test_to_dict_and_back_through_json() -> None:
    car = Car("a", Engine(6, 3.0, True), (3.0, 2.0), None, {"rear": 0.5}, {"pair": (1, 2)})
    plain = to_dict(car)
    assert plain["gears"] == [3.0, 2.0]
    assert plain["notes"] == {"pair": [1, 2]}
    again = build(Car, json.loads(json.dumps(plain)), "car")
    assert to_dict(again) == plain
    assert again.engine == car.engine


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"file not found: .*none\.toml"):
        read_toml(tmp_path / "none.toml")


@pytest.mark.parametrize("content", [b"name = ", b"a = 1\na = 2\n", b"name = \xff\xfe"])
def test_what_is_not_toml_is_refused_with_its_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "car.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot read .*car\.toml: \S+"):
        read_toml(path)


def test_a_folder_is_not_a_recipe(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path)
