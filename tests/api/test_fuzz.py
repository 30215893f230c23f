"""Whatever the OpenAPI document allows, and much that it does not, is thrown at the application: never a 5xx.

schemathesis makes the requests from the document, on a service with a story in it, with a key that may do everything.
"""

import os
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks

from api.house import House
from api.routes import HOOKS, SCOPE, SEGMENT_TOLD, TOKEN
from api.tale import DEFINITIONS, tell, trouble
from journeys.shipped import shipped
from signals.instant import DAY

load_all_checks()
EXAMPLES = int(os.environ.get("JOURNEYS_TEST_FUZZ", "25"))
"""Requests for each operation, and a tenth of the spoiled definitions; more for a night's run."""

DOCUMENTED = sorted(SEGMENT_TOLD)
"""Segment's routes by their whole names; the others are the same under shorter ones."""

pytestmark = pytest.mark.slow

WANTED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
)
"""Left out: `ignored_auth`, which `test_keys` does for every route and scope; `negative_data_rejection` and `positive_data_acceptance`, for a document says less than the rules do (a
task that is closed, a signal that does not exist), and checks of what follows from what, as ids are not guessed."""

SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory, template: Path) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("fuzz"), template)
    tell(house)
    yield house
    house.close()


@pytest.fixture(scope="module")
def document(fuzzed: House) -> Any:
    """The application's own description of itself."""
    return schemathesis.openapi.from_asgi("/openapi.json", fuzzed.app)


@pytest.fixture(scope="module")
def known(fuzzed: House) -> dict[str, str]:
    """Ids that exist, by the name of the path parameter that takes them."""
    one = {kind: fuzzed.get(f"/v1/{kind}s")["items"][0]["id"] for kind in ("journey", "message", "task")}
    return {**one, "account": "acme", "contact": "acme.ann", "kind": "plays", "key": "rescue", "name": "open"}


@pytest.mark.parametrize(
    ("method", "path"),
    [pytest.param(*route, id=" ".join(route)) for route in (*SCOPE, *sorted(HOOKS), *TOKEN, *DOCUMENTED)],
)
def test_no_request_breaks_it(
    fuzzed: House, document: Any, known: dict[str, str], method: str, path: str
) -> None:
    headers, checks = fuzzed.signed("admin"), [CHECKS.get_one(name) for name in WANTED]

    @SETTINGS
    @given(case=document[path][method].as_strategy(), real=st.booleans())
    def all_kinds(case: schemathesis.Case, real: bool) -> None:
        if real:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        case.call_and_validate(headers=headers, checks=checks)

    all_kinds()


# ── definitions: valid ones with one thing wrong ───────────────────────────────────────────────────────────────

BODIES = [(draft.kind, draft.key, draft.body) for draft in shipped()] + [
    (kind, body["key"], body) for kind, bodies in DEFINITIONS.items() for body in bodies
]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.sampled_from(
        ["7d", "0s", "999999999w", "acme/../x", "{{ 7 * 7 }}", "{% for %}", "account.", "*", ".*", "99%"]
    ),
    st.just([]),
    st.just({}),
    st.just({"all": []}),
    st.just({"not": {"not": {"signal": "ticket_spike"}}}),
)


@st.composite
def spoiled(draw: st.DrawFn) -> tuple[str, str, Any]:
    """A definition of the library or the story in which one value, anywhere, has become something else."""
    kind, key, body = draw(st.sampled_from(BODIES))
    body = deepcopy(body)
    node: Any = body
    while True:
        places = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not places:
            return kind, key, body
        place = draw(st.sampled_from(places))
        inner = node[place]
        if not isinstance(inner, dict | list) or not inner or draw(st.booleans()):
            node[place] = draw(JUNK)
            return kind, key, body
        node = inner


@settings(SETTINGS, max_examples=10 * EXAMPLES)
@given(spoiled())
def test_no_definition_breaks_it(fuzzed: House, one: tuple[str, str, Any]) -> None:
    kind, key, body = one
    path = f"/v1/{kind}/{quote(key, safe='')}"
    answers = [fuzzed.call("PUT", path, body)]
    if answers[0].status_code == 200:
        answers += [
            fuzzed.call("POST", f"{path}/{verb}") for verb in ("lint", "activate?dry_run=true", "activate")
        ]
        trouble(fuzzed)
        fuzzed.clock.at += DAY
        fuzzed.tick()
        fuzzed.send()
    assert {answer.status_code for answer in answers} <= {200, 422}, [answer.text for answer in answers]
    assert [one["detail"] for one in fuzzed.get("/v1/dead", reason="poison")["items"]] == []
