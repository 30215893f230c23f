"""Names of events as types of ours (ecosystem §3.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.sources.envelope import event_type
from signals.sources.segment_names import SEMANTIC, meaning, named, spelling


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Report Created", "product.report_created"),
        ("report created", "product.report_created"),
        ("reportCreated", "product.report_created"),
        ("ReportCreated", "product.report_created"),
        ("report_created", "product.report_created"),
        ("HTTPErrorSeen", "product.http_error_seen"),
        ("iOS App Opened", "product.ios_app_opened"),
        ("100% Done", "product.100_done"),
        ("Bericht geöffnet", "product.bericht_geoffnet"),
        ("billing.payment_failed", "billing.payment_failed"),
        ("signal.churn", "product.signal_churn"),
        ("account.hold_placed", "product.account_hold_placed"),
        ("Signed Up", "product.signed_up"),
        ("Signed In", "product.login"),
        ("Invite Sent", "product.teammate_invited"),
        ("Trial Started", "billing.trial_started"),
        ("Order Completed", "billing.order_placed"),
        ("orderCompleted", "billing.order_placed"),
        ("Completed Order", "billing.order_placed"),
        ("Email Marked as Spam", "engagement.complained"),
        ("Unsubscribed", "engagement.unsubscribed"),
        ("Live Chat Message Sent", "support.message_received"),
    ],
)
def test_a_name_is_a_type(name: str, kind: str) -> None:
    assert meaning(name).type == kind


def test_every_name_with_a_meaning_is_spelt_as_it_is_looked_up() -> None:
    assert [spelling(name.replace("_", " ")) for name in SEMANTIC] == list(SEMANTIC)


@pytest.mark.parametrize(
    ("one", "other"), [("レポート作成", "レポート削除"), ("!!!", "???"), ("a" * 300, "a" * 301)]
)
def test_two_names_without_ascii_words_are_two_types(one: str, other: str) -> None:
    assert meaning(one).type != meaning(other).type


@given(st.text(min_size=1).filter(str.strip))
def test_every_name_gives_a_type_that_may_be_kept(name: str) -> None:
    kind = meaning(name).type
    assert event_type(kind) == kind
    assert meaning(name).type == kind


def test_our_names_are_beside_theirs_and_never_over_what_is_given() -> None:
    fields = meaning("Order Completed").fields
    assert named({"revenue": 5}, fields) == {"revenue": 5, "amount": 5}
    assert named({"total": 0, "revenue": 5}, fields) == {"total": 0, "revenue": 5, "amount": 0}
    assert named({"amount": 1, "total": 2}, fields) == {"amount": 1, "total": 2}
    assert named({"total": None}, fields) == {"total": None}
