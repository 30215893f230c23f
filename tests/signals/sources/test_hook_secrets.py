"""The secrets of webhooks as operators write them."""

import pytest
from pydantic import ValidationError

from journeys.settings import Settings
from signals.sources.hook_secrets import check_secrets, is_source, parse_secrets

LONG = "a secret of length"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("stripe=a", {"stripe": ["a"]}),
        (" stripe = a , zendesk=b,", {"stripe": ["a"], "zendesk": ["b"]}),
        ("stripe=new,stripe=old", {"stripe": ["new", "old"]}),
        ("zendesk=YQ==,generic/x=whsec_YQ==", {"zendesk": ["YQ=="], "generic/x": ["whsec_YQ=="]}),
        ('{"stripe": "a", "hubspot": ["b", "c,d"]}', {"stripe": ["a"], "hubspot": ["b", "c,d"]}),
    ],
)
def test_secrets_are_listed_by_source(text: str, found: dict[str, list[str]]) -> None:
    assert parse_secrets(text) == found


@pytest.mark.parametrize(
    "text", ["hunter2hunter2hunter2", "stripe=a,hunter2", '{"stripe": "hunter2', "{}}hunter2"]
)
def test_what_is_no_list_of_secrets_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_secrets(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "secret", "said"),
    [
        ("stripe", "short", "16 are needed"),
        ("stripe", "", "16 are needed"),
        ("stripe", "none", "16 are needed"),
        ("generic/x", "whsec_no base64 at all", "base64"),
        ("paypal", LONG, "no source"),
        ("generic/", LONG, "no source"),
        ("generic/stripe", LONG, "no source"),
        ("", LONG, "no source"),
    ],
)
def test_a_secret_of_no_use_is_refused_before_anything_starts(source: str, secret: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_secrets(source, [LONG if source not in ("stripe", "generic/x") else secret])
    with pytest.raises(ValidationError) as caught:
        Settings(_env_file=None, hook_secrets={source: [secret]})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "source", ["stripe", "zendesk", "hubspot", "intercom", "salesforce", "generic/billing"]
)
def test_a_long_secret_will_do(source: str) -> None:
    assert is_source(source)
    check_secrets(source, [LONG, "another secret of length"])


def test_a_generic_source_may_be_opened_on_purpose() -> None:
    check_secrets("generic/billing", ["none"])


def test_settings_read_them_from_the_environment_and_do_not_show_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JOURNEYS_HOOK_SECRETS", f"stripe={LONG},generic/x=none")
    made = Settings(_env_file=None)
    assert made.hook_secrets == {"stripe": [LONG], "generic/x": ["none"]}
    assert LONG not in repr(made)
