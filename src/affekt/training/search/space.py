"""The space of a search: which keys of a recipe are tried with which values."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from affekt.config import build, put, read_toml, to_dict
from affekt.errors import ConfigError, DataError
from affekt.recipe_files import SPACES, find_recipe
from affekt.training.recipe.schema import Recipe, effective_values

if TYPE_CHECKING:
    from optuna.trial import Trial

_WORDS = frozenset({"low", "high", "log", "step", "choices"})
_DIGITS = 4  # significant ones of a number that is drawn: recipes are for people
_PARTNERS = 20  # draws of the other keys, to find one that a value goes with

_FIXED = {
    "pretrain": "search the recipe that it names by itself",
    "distil.teachers": "name the teachers in the recipe",
    "name": "it changes nothing that is learned",
    "description": "it changes nothing that is learned",
    "training.device": "it changes nothing that is learned",
    "training.compile": "it changes nothing that is learned",
    "training.checkpoint_seconds": "it changes nothing that is learned",
    "data": "trials on different data cannot be compared",
}
"""What cannot be searched, and why; ``data.weights`` alone can."""


@dataclass(frozen=True)
class _Dimension:
    """The values of one key.

    Attributes
    ----------
    key : str
        Dotted, as in ``training.learning_rate``.
    choices : tuple
        What TOML can hold; empty for a range.
    low, high : int or float
        Both ends are within the range; whole numbers make a range of whole numbers.
    step : int or float
        Distance of neighbouring values; 0 is any number.
    log : bool
        Draw the logarithm evenly.
    """

    key: str
    choices: tuple[Any, ...] = ()
    low: float = 0
    high: float = 0
    step: float = 0
    log: bool = False

    def __post_init__(self) -> None:
        where = f"space: {self.key}"
        if self.choices:
            if len({json.dumps(value) for value in self.choices}) < len(self.choices):
                raise ConfigError(f"{where}: a choice is named twice")
            return
        if not all(math.isfinite(value) for value in (self.low, self.high, self.step)):
            raise ConfigError(f"{where}: low, high and step must be finite numbers")
        if self.low >= self.high:
            raise ConfigError(
                f"{where}: low must be below high, got {self.low} and {self.high}: "
                "a single value belongs in the recipe"
            )
        if self.log and self.low <= 0:
            raise ConfigError(f"{where}: a logarithmic range needs low > 0, got {self.low}")
        if self.log and self.step:
            raise ConfigError(f"{where}: log and step exclude each other")
        steps = (self.high - self.low) / self.step if self.step else 0
        if self.step < 0 or abs(steps - round(steps)) > 1e-9 * max(1, steps):
            raise ConfigError(
                f"{where}: no whole number of steps of {self.step} from {self.low} to {self.high}"
            )

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return not self.choices and all(
            isinstance(value, int) for value in (self.low, self.high, self.step)
        )

    def suggest(self, trial: Trial) -> Any:
        """The value that a trial tries."""
        if self.choices:
            names = [json.dumps(value) for value in self.choices]
            return self.value(trial.suggest_categorical(self.key, names))
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step) or 1
            return self.value(trial.suggest_int(self.key, low, high, step=step, log=self.log))
        step_or_none = self.step or None
        return self.value(
            trial.suggest_float(self.key, self.low, self.high, step=step_or_none, log=self.log)
        )

    def value(self, param: Any) -> Any:
        """The value of a parameter of the journal, which holds plain values alone."""
        if self.choices:
            return json.loads(param)
        return int(param) if self.whole else self._tidy(param)

    def draw(self, rng: np.random.Generator) -> Any:
        """Some value of it."""
        if self.choices:
            return self.choices[rng.integers(len(self.choices))]
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step) or 1
            return low + step * int(rng.integers((high - low) // step + 1))
        return self._tidy(float(rng.uniform(self.low, self.high)))

    def ends(self) -> tuple[Any, ...]:
        """All choices, or both ends of the range."""
        return self.choices or (self.low, self.high)

    def param(self, value: Any) -> Any:
        """A value as the journal has it; None outside of the range."""
        if self.choices:
            name = json.dumps(value)
            return name if name in map(json.dumps, self.choices) else None
        if isinstance(value, bool) or not isinstance(value, int if self.whole else (int, float)):
            return None
        steps = (value - self.low) / self.step if self.step else 0
        inside = self.low <= value <= self.high and abs(steps - round(steps)) < 1e-9
        return value if inside else None

    def _tidy(self, value: float) -> float:
        """Few digits, but never outside of the range."""
        digits = 12 if self.step else _DIGITS
        return float(min(max(float(f"{value:.{digits}g}"), self.low), self.high))


@dataclass(frozen=True)
class Space:
    """Every key that is searched."""

    dimensions: tuple[_Dimension, ...]

    def __post_init__(self) -> None:
        if not self.dimensions:
            raise ConfigError(
                "the space is empty: name a key and its values, e.g. "
                '"training.learning_rate" = { low = 1e-4, high = 3e-3, log = true }'
            )

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """The values that a trial tries, by dotted key."""
        return {dimension.key: dimension.suggest(trial) for dimension in self.dimensions}

    def values_of(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the parameters of the journal, by dotted key."""
        return {d.key: d.value(params[d.key]) for d in self.dimensions if d.key in params}

    def params_of(self, recipe: Recipe) -> dict[str, Any] | None:
        """A recipe's own values as the journal has them; None unless all lie in the space."""
        plain = effective_values(recipe)
        found = {d.key: d.param(_get(plain, d.key)) for d in self.dimensions}
        return None if None in found.values() else found

    def refuse_impossible(self, recipe: Recipe) -> None:
        """Check that each end and each choice makes a recipe, with some of the others.

        Raises
        ------
        ConfigError
            If a key is unknown, may not be searched, or has a value that no recipe can have.
        """
        rng = np.random.default_rng(0)
        for dimension in self.dimensions:
            _refuse_fixed(dimension.key, recipe)
            for value in dimension.ends():
                self._refuse(dimension.key, value, recipe, rng)

    def _refuse(self, key: str, value: Any, recipe: Recipe, rng: np.random.Generator) -> None:
        """Raise what is wrong with a value beside the recipe's own, if nothing goes with it."""
        first: ConfigError | None = None
        for attempt in range(1 + _PARTNERS):
            others = {d.key: d.draw(rng) for d in self.dimensions} if attempt else {}
            try:
                _see(changed(recipe, {**others, key: value}))
                return
            except ConfigError as error:
                first = first or error
        raise ConfigError(f"space: {key} = {json.dumps(value)}: {first}") from None


def read_space(path: str | Path, recipe: Recipe) -> Space:
    """Read the space of a search.

    Parameters
    ----------
    path : str or Path
        Name of a shipped space, or a TOML file: dotted keys of the recipe, each with
        ``{ low, high, log, step }`` or ``{ choices }``.
    recipe : Recipe
        What it is searched around.

    Raises
    ------
    ConfigError
        If the file is missing or not TOML, a key is unknown or may not be searched, or a range
        is impossible.
    """
    path = find_recipe(path, kind=SPACES)
    try:
        space = make_space(read_toml(path), recipe)
    except ConfigError as error:
        text = str(error)
        raise ConfigError(text if str(path) in text else f"{path}: {text}") from None
    return space


def make_space(values: Mapping[str, Any], recipe: Recipe) -> Space:
    """A space from what TOML or JSON holds; otherwise as :func:`read_space`."""
    plain = effective_values(recipe)
    space = Space(
        tuple(
            _dimension(key, table, isinstance(_get(plain, key), float))
            for key, table in _leaves(values)
        )
    )
    space.refuse_impossible(recipe)
    return space


def changed(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """A recipe with other values of some dotted keys.

    Raises
    ------
    ConfigError
        If a key is unknown, or the values are impossible together.
    """
    plain = to_dict(recipe)
    for key, value in values.items():
        put(plain, key, value)
    try:
        return build(Recipe, plain, "recipe")
    except DataError as error:
        raise ConfigError(str(error)) from None


def _leaves(values: Mapping[str, Any], before: str = "") -> list[tuple[str, Mapping[str, Any]]]:
    """Dotted keys with their tables, whether the file quotes the dots or not."""
    found = []
    for name, table in values.items():
        key = f"{before}.{name}" if before else name
        if not isinstance(table, Mapping):
            raise ConfigError(
                f"space: {key} must be a table like {{ low = 1, high = 5 }} or "
                f"{{ choices = [1, 2] }}, got {table!r}"
            )
        if not table or any(not isinstance(value, Mapping) for value in table.values()):
            found.append((key, table))
        else:
            found += _leaves(table, key)
    return found


def _dimension(key: str, table: Mapping[str, Any], fractional: bool) -> _Dimension:
    """One key; whole ends of a fractional number are taken as fractions."""
    where = f"space: {key}"
    unknown = sorted(set(table) - _WORDS)
    if unknown:
        raise ConfigError(
            f"{where}: unknown word {unknown[0]!r}: expected {', '.join(sorted(_WORDS))}"
        )
    if "choices" in table:
        choices = table["choices"]
        if len(table) > 1:
            raise ConfigError(f"{where}: choices exclude {', '.join(_WORDS)}")
        if not isinstance(choices, list) or len(choices) < 2:
            raise ConfigError(f"{where}: choices must be a list of two or more, got {choices!r}")
        return _Dimension(key, tuple(choices))
    missing = [word for word in ("low", "high") if word not in table]
    if missing:
        raise ConfigError(f"{where}: {missing[0]} is missing: give low and high, or choices")
    for word in ("low", "high", "step"):
        value = table.get(word, 0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{where}: {word} must be a number, got {value!r}")
    if not isinstance(table.get("log", False), bool):
        raise ConfigError(f"{where}: log must be true or false, got {table['log']!r}")
    if table.get("step", 1) <= 0:
        raise ConfigError(f"{where}: step must be positive, got {table['step']}")
    numbers = {word: table[word] for word in ("low", "high", "step") if word in table}
    if fractional or any(isinstance(value, float) for value in numbers.values()):
        numbers = {word: float(value) for word, value in numbers.items()}
    return _Dimension(key, log=table.get("log", False), **numbers)


def _refuse_fixed(key: str, recipe: Recipe) -> None:
    for fixed, reason in _FIXED.items():
        inside = key == fixed or key.startswith(f"{fixed}.")
        if inside and not key.startswith("data.weights."):
            raise ConfigError(f"space: {key} cannot be searched: {reason}")
    for table in ("distil", "classical"):
        if key.startswith(f"{table}.") and getattr(recipe, table) is None:
            raise ConfigError(f"space: {key} cannot be searched: the recipe has no [{table}]")
    if recipe.classical and key.removeprefix("classical.options.") in recipe.classical.grid:
        raise ConfigError(f"space: {key} cannot be searched: the recipe's classical.grid tries it")


def _see(recipe: Recipe) -> None:
    """Raise ConfigError for what only the making of the network or classifier would find."""
    if recipe.classical:
        recipe.classical.chosen()
        return
    from affekt.training.network.fit import new_network

    new_network(recipe, recipe.data.labels or ("angry", "happy"), seed=0)


def _get(values: Any, key: str) -> Any:
    for name in key.split("."):
        values = values.get(name) if isinstance(values, Mapping) else None
    return values
