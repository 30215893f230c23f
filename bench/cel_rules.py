"""The benchmark's rules in CEL (package common-expression-language, Rust): one program per event type.

As favourable to CEL as can be: all rules on a type are one expression, windows they share are one variable, and
the numbers are counted for it beforehand. What is timed is deciding alone.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import cel

from bench.rules import Rules
from reference import ABSENT, NUMBERS, Recount, field, span, word_of
from signals.event import Event

Numbers = Callable[[Recount], float | None]
_SIGNS = {"is": "==", "is_not": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
REPEATS = 40


class Translation:
    """Conditions as CEL, and what counts the numbers they name."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.numbers: dict[str, Numbers] = {}
        self.may_be_absent: set[str] = set()
        self._names: dict[str, str] = {}

    def text(self, condition: dict[str, Any]) -> str:
        """The condition as an expression."""
        if "all" in condition:
            return f"({' && '.join(map(self.text, condition['all']))})"
        if "not" in condition:
            return f"!({self.text(condition['not'])})"
        if "signal" in condition:
            return self.text(self.rules[condition["signal"]])
        if "absent" in condition:
            return f"{self._absent(condition)} >= {span(condition['for'])}"
        if "latest" in condition:
            ((name, test),) = condition["where"].items()
            return self._compared(self._latest(condition, name), test)
        return self._compared(self._number(condition), condition)

    def _compared(self, name: str, words: dict[str, Any]) -> str:
        known = [f"{name} != null"] if name in self.may_be_absent else []
        tests = [f"{name} {sign} {words[word]}" for word, sign in _SIGNS.items() if word in words]
        return " && ".join(known + tests)

    def _number(self, condition: dict[str, Any]) -> str:
        bare = {word: given for word, given in condition.items() if word not in _SIGNS}
        word = word_of(condition)
        name = self._named(bare, lambda recount: _plain(NUMBERS[word](recount, bare)))
        self.may_be_absent |= {name} if word == "change" else set()
        return name

    def _absent(self, condition: dict[str, Any]) -> str:
        kind = condition["absent"]
        return self._named({"absent": kind}, lambda recount: recount.silence({"absent": kind}))

    def _latest(self, condition: dict[str, Any], name: str) -> str:
        kind = condition["latest"]

        def newest(recount: Recount) -> float | None:
            found = recount.events(kind, {})
            return _plain(field(found[-1].data, name)) if found else None

        named = self._named({"latest": kind, "of": name}, newest)
        self.may_be_absent.add(named)
        return named

    def _named(self, asked: dict[str, Any], number: Numbers) -> str:
        key = json.dumps(asked, sort_keys=True)
        name = self._names.setdefault(key, f"v{len(self._names)}")
        self.numbers.setdefault(name, number)
        return name


def _plain(number: Any) -> float | None:
    """As CEL takes it."""
    if number is ABSENT:
        return None
    return number if isinstance(number, int) else float(number)


def _type_of(rules: Rules, condition: dict[str, Any]) -> str:
    inner = condition
    while "all" in inner:
        inner = inner["all"][0]
    return str(inner[word_of(inner)])


def decided_per_second(rules: Rules, checked: list[tuple[Event, Recount]]) -> float:
    """Events a second for which every rule on their type is decided. SystemExit where CEL decides otherwise."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for condition in rules.values():
        by_type.setdefault(_type_of(rules, condition), []).append(condition)
    translation, programs = Translation(rules), {}
    for kind, conditions in by_type.items():
        programs[kind] = cel.compile(f"[{', '.join(map(translation.text, conditions))}]")
    work = []
    for event, recount in checked:
        program = programs[event.type]
        numbers = {name: translation.numbers[name](recount) for name in program.variables()}
        if program.execute(numbers) != [recount.holds(each) for each in by_type[event.type]]:
            raise SystemExit(f"CEL decides otherwise for {event.account} at {event.time}")
        work.append((program, numbers))
    return len(work) / min(_seconds(work) for _ in range(REPEATS))


def _seconds(work: list[tuple[Any, dict[str, float | None]]]) -> float:
    began = time.process_time()
    for program, numbers in work:
        program.execute(numbers)
    return time.process_time() - began
