"""A template can be wrong, but neither heavy nor curious (guarantees B55-B62, "Templates 1.3.7")."""

import contextlib
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.grammar import RenderFailed
from channels.sandbox import compile_source, reads


def shown(source: str, context: Any = None) -> str:
    return compile_source(source).render(context or {}, slotted=False)[0]


def reason(source: str, context: Any = None) -> str:
    with pytest.raises(RenderFailed) as failed:
        shown(source, context)
    return failed.value.reason


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ name | first_name }} of {{ a.b }}", "Ann of x"),
        ("{{ missing | default('there') }}, {{ none | default('you') }}", "there, you"),
        ("{% if n > 2 and 'x' in l %}yes{% else %}no{% endif %}", "yes"),
        ("{% for i in l %}{{ loop.index }}{{ i }}{% if not loop.last %}, {% endif %}{% endfor %}", "1x, 2y"),
        ("{% for k, v in a.items() %}{{ k }}={{ v }} {% endfor %}", "b=x "),
        ("{% set total = n * 2 %}{{ total }}", "6"),
        (
            "{{ 1234567.891 | number }} {{ 0.5 | number(2) }} {{ 99 | money('EUR') }}",
            "1,234,567.891 0.50 99.00 EUR",
        ),
        ("{{ 2.5 | round }} {{ price | round(1) }}", "3 1.3"),
        ("{{ '2026-03-02T23:59:00Z' | date }} {{ '2026-03-02' | date }}", "2 March 2026 2 March 2026"),
        ("{{ 3.0 }} {{ 3.5 }} {{ true }}", "3 3.5 True"),
        ("{{ name[:3] ~ '-' ~ n }} {{ l | join(', ') }} {{ items | join('/', 'k') }}", "Ann-3 x, y 1/2"),
        ("{{ name.upper() }} {{ name.split(' ')[0] }} {{ a.get('zz', 'w') }}", "ANN LEE Ann w"),
        ("{{ 'Lee, Ann' | first_name }} {{ 'aXa' | replace('X', 'b') }}", "Ann aba"),
        ("{{ a.items | default('no such field') if false else '' }}{{ {'items': 7}.items }}", "7"),
    ],
)
def test_what_content_needs_works(source: str, expected: str) -> None:
    data = {
        "name": "Ann Lee",
        "a": {"b": "x"},
        "n": 3,
        "l": ["x", "y"],
        "none": None,
        "price": Decimal("1.25"),
        "items": [{"k": 1}, {"k": 2}],
    }
    assert shown(source, data) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ x.__class__ }}",
        "{{ x['__class__'] if false }}{{ _rendering }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format(x) }}",
        "{{ '{a}'.format_map(x) }}",
        "{{ 'x' | urlize }}",
        "{{ {} | xmlattr }}",
        "{{ 'x' | safe }}",
        "{{ x | map('upper') }}",
        "{% include '/etc/passwd' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% block a %}{% endblock %}",
        "{% macro m() %}{{ m() }}{% endmacro %}",
        "{% call x() %}{% endcall %}",
        "{% filter upper %}x{% endfilter %}",
        "{% set x %}y{% endset %}",
        "{% set ns.x = 1 %}",
        "{% for i in x recursive %}{{ loop(i) }}{% endfor %}",
        "{{ range(3) }}",
        "{{ lipsum(n=20000) }}",
        "{{ cycler(1) }}",
        "{{ namespace(x=1) }}",
        "{{ self }}",
        "{{ x.pop() }}",
        "{{ x.get(*y) }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ '%1000000000d'|format(1) }}",
        "{{ 'a'|center(10**9) }}",
        "{{ x",
        "{% if x %}",
        "{{" + "(" * 5_000 + "1" + ")" * 5_000 + "}}",
        "{% if x %}" * 300 + "{% endif %}" * 300,
        "{{ " + "9" * 5_000 + " }}",
    ],
    ids=lambda source: source[:40],
)
def test_what_could_reach_python_or_has_no_end_is_refused_when_saved(source: str) -> None:
    with pytest.raises(RenderFailed) as failed:
        compile_source(source)
    assert failed.value.reason == "bad_template"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in l %}{% for b in l %}{% endfor %}{% endfor %}",
        "{% set x = 'aaaaaaaaaa' %}" + "{% set x = x ~ x %}" * 40,
        "{% set x = 10 %}" + "{% set x = x * x %}" * 60,
        "{{ 10 ** 60 }}",
        "{{ 2 ** 999999 }}",
        "{{ l | join('x' ~ l | join('y')) }}",
        "{{ (l | join('ab')) | replace('a', l | join('b')) }}",
        "{{ 1 | round(99) if false else 10 ** 17 * 100 }}",
        "x" * 65_537,
        "{{ 1 }}" * 6_000,
    ],
    ids=lambda source: source[:40],
)
def test_work_and_size_have_caps(source: str) -> None:
    assert reason(source, {"l": ["z"] * 1_000}) == "too_large"


@pytest.mark.parametrize(
    "source",
    [
        "{{ a }}",
        "{{ l }}",
        "{{ 1 / 0 }}",
        "{{ 'a' + 'b' }}",
        "{{ 'a' * 1000000000 }}",
        "{{ [1] * 3 * 10 ** 8 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 1 + 'b' }}",
        "{% for i in 5 %}{% endfor %}",
        "{{ 'soon' | date }}",
        "{{ 'much' | money('EUR') }}",
        "{{ '' | first_name }}",
        "{{ a.items }}",
        "{{ l ~ 'x' }}",
        "{{ 1 | round(-1000000000) }}",
    ],
)
def test_a_mistake_on_these_data_is_told_apart_from_a_bad_template(source: str) -> None:
    assert reason(source, {"a": {"b": 1}, "l": [1]}) == "template_error"


HEAVY = {
    "l": [str(number) for number in range(100_000)],
    "m": [{"a": number} for number in range(20_000)],
    "s": "x" * 60_000,
}


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in l %}" + "{% if a == 'z' %}x{% endif %}" * 500 + "{% endfor %}",
        "{{ l | sort | first }}" * 400,
        "{% if 'q' in l %}{% endif %}" * 1_000,
        "{% if l == m %}{% endif %}" * 1_000,
        "{{ m | sort(attribute='a') | length }}" * 400,
        "{{ s | replace('x', 'y') | length }}" * 900,
        "{{ l | unique | list | length }}" * 300,
        "{% for a in l[:9000] %}" + "{{ s | upper | length }}" * 3 + "{% endfor %}",
        "{{ s | wordcount }}" * 1_500,
        "{{ m | selectattr('a', 'in', l) | list | length }}",
        "{% if 'q' is in l %}{% endif %}",
        "{{ l[:99999] | length }}" * 50,
    ],
    ids=lambda source: source[:40],
)
def test_large_data_is_no_way_to_make_a_small_template_slow(source: str) -> None:
    """Uncounted, the longest of these runs for a minute."""
    program = compile_source(source)
    began = time.process_time()
    with pytest.raises(RenderFailed) as failed:
        program.render(HEAVY, slotted=False)
    assert failed.value.reason == "too_large"
    assert time.process_time() - began < 2


class _Row:
    """Stands for an ORM row or a Pydantic model that somebody passed by mistake (B60)."""

    name = "Ann"

    def __str__(self) -> str:
        return "secret"

    def model_dump(self) -> dict[str, str]:
        return {"password": "secret"}


@pytest.mark.parametrize(
    "source", ["{{ row }}", "{{ row.name }}", "{{ row.model_dump }}", "{{ row['name'] }}"]
)
def test_an_object_in_the_data_gives_nothing_away(source: str) -> None:
    assert reason(source, {"row": _Row()}) in {"template_error", "missing_fact"}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ a.b.c }} {{ a['b'] }} {{ d | upper }}", ("a.b.c", "a.b", "d")),
        ("{{ a.b.upper() }} {{ a.get('c') }}", ("a.b", "a.c")),
        ("{% for x in a.l %}{{ x.y }}{{ z }}{% endfor %}{% set q = a.m %}{{ q.r }}", ("a.l", "z", "a.m")),
        ("plain", ()),
    ],
)
def test_the_facts_a_template_reads_are_known_without_running_it(
    source: str, expected: tuple[str, ...]
) -> None:
    assert reads(source) == expected


PIECES = [
    "{{",
    "}}",
    "{%",
    "%}",
    " x ",
    "for ",
    "in ",
    "if ",
    "end",
    "set ",
    "=",
    "|",
    ".",
    "(",
    ")",
    "'",
    "a",
    "1",
    "~",
    "*",
]


@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join) | st.text(max_size=60))
def test_any_text_is_a_template_or_a_declared_refusal(source: str) -> None:
    with contextlib.suppress(RenderFailed):
        shown(source, {"x": [1], "a": {"a": 1}})
