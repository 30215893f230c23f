"""Who an event is about: the rules of semantics §2 "Identity" on facts as they are loaded."""

from typing import Any

import pytest
from msgspec.structs import replace

from builders import START, event
from journeys.identity import Identity
from journeys.ids import Alias, Facts, Found, last_of
from journeys.naming import ACCOUNT, CONTACT, Asked, Outside, asked_by
from signals.event import Event
from signals.joins import Join
from signals.problem import Problem


def happens(kind: str, account: str | None = "acme", contact: str | None = None, **about: Any) -> Event:
    """An event of this account and contact."""
    return replace(event(kind, contact=contact, **about), account=account)


def people(**homes: str) -> Facts:
    """People with the accounts they are known at, first seen in the order given."""
    facts = Facts()
    for number, (who, where) in enumerate(homes.items()):
        facts.homes[who] = set(where.split())
        facts.first_seen[who] = START + number
    return facts


def found(facts: Facts, told: Event) -> Found:
    """What the event comes to; it must be nobody's problem."""
    resolved = Identity(facts).resolve(told)
    assert isinstance(resolved, Found)
    return resolved


def refused(facts: Facts, told: Event) -> str:
    """Why it comes to nothing."""
    resolved = Identity(facts).resolve(told)
    assert isinstance(resolved, Problem)
    return resolved.reason


def test_our_ids_are_what_they_are() -> None:
    told = happens("x", "acme", "ann")
    assert Identity(Facts()).is_plain(told)
    assert found(Facts(), told) == Found(told)


def test_an_old_id_is_the_survivor_and_it_is_known_under_which_name_it_was_said() -> None:
    joins = [Join(1, "old", "ann")]
    facts = Facts(aliases={ACCOUNT: {}, CONTACT: {"old": Alias("ann", joins)}})
    resolved = found(facts, happens("x", "acme", "old")).event
    assert (resolved.account, resolved.contact) == ("acme", "ann")
    assert resolved.said is not None
    assert (resolved.said.account, resolved.said.contact, resolved.said.contacts) == ("acme", "old", joins)


def test_a_contact_of_one_account_names_it() -> None:
    assert found(people(ann="acme"), happens("x", None, "ann")).event.account == "acme"


def test_a_contact_in_several_accounts_and_none_named_is_ambiguous() -> None:
    assert refused(people(ann="acme beta"), happens("x", None, "ann")) == "ambiguous_account"


def test_neither_account_nor_known_contact_is_nobodys() -> None:
    assert refused(people(), happens("x", None, "ann")) == "no_account"
    assert refused(people(), happens("x", None, None)) == "no_account"


def test_a_contact_comes_to_be_known_by_the_events_before_and_not_by_those_after() -> None:
    identity = Identity(people(ann=""))
    assert isinstance(identity.resolve(happens("x", None, "ann")), Problem)
    assert isinstance(identity.resolve(happens("x", "acme", "ann")), Found)
    again = identity.resolve(happens("x", None, "ann"))
    assert isinstance(again, Found)
    assert again.event.account == "acme"


def test_a_vendor_links_by_source_and_external_id() -> None:
    facts = Facts(outside={Outside(ACCOUNT, "test", "cus_1"): "acme", Outside(CONTACT, "test", "7"): "ann"})
    told = happens("x", None, None, account_external="cus_1", contact_external="7")
    resolved = found(facts, told).event
    assert (resolved.account, resolved.contact) == ("acme", "ann")
    assert refused(facts, replace(told, source="other")) == "no_account"


def test_an_address_names_a_contact_whatever_its_spelling() -> None:
    facts = people(ann="acme")
    facts.addresses["ann"] = "ann@example.com"
    told = happens("x", None, None, contact_email=" Ann@EXAMPLE.com")
    assert found(facts, told).event.contact == "ann"


def update(who: str, email: str, account: str | None = "acme") -> Event:
    return happens("crm.contact_updated", account, who, attributes={"email": email})


@pytest.mark.parametrize(
    ("homes", "survivor"), [({"ann": "acme", "u": "acme"}, "ann"), ({"u": "acme", "ann": "acme"}, "u")]
)
def test_a_contact_without_address_that_gets_a_known_one_is_merged_into_the_older(
    homes: dict[str, str], survivor: str
) -> None:
    facts = people(**homes)
    facts.addresses["ann"] = "ann@example.com"
    resolved = found(facts, update("u", "ann@example.com"))
    (merge,) = resolved.merges
    assert {merge.old, merge.into} == {"ann", "u"}
    assert (merge.into, resolved.event.contact, merge.because) == (survivor, survivor, "email")


def test_of_two_first_seen_at_one_instant_the_smaller_id_is_the_older() -> None:
    facts = people(b="acme", a="acme")
    facts.first_seen = {"a": START, "b": START}
    facts.addresses["b"] = "b@example.com"
    assert found(facts, update("a", "b@example.com")).merges[0].into == "a"


def test_one_that_had_another_address_is_not_merged() -> None:
    facts = people(ann="acme", bob="acme")
    facts.addresses.update(ann="ann@example.com", bob="bob@example.com")
    assert refused(facts, update("bob", "ann@example.com")) == "address_taken"
    assert not found(facts, update("bob", "new@example.com")).merges
    assert not found(facts, update("ann", "ANN@example.com")).merges


def test_what_is_no_address_identifies_nobody() -> None:
    facts = people(ann="acme", bob="acme")
    facts.addresses["ann"] = "ann@example.com"
    assert not found(facts, update("bob", "not an address")).merges


def test_an_address_given_earlier_in_the_batch_is_known_to_the_rest() -> None:
    identity = Identity(people(ann="", bob=""))
    identity.resolve(update("ann", "ann@example.com"))
    again = identity.resolve(update("bob", "ann@example.com"))
    assert isinstance(again, Found)
    assert [merge.into for merge in again.merges] == ["ann"]


def merging(
    into: str, old: Any, kind: str = "crm.contact_merged", source: str = "crm", account: str | None = "acme"
) -> Event:
    told = happens(kind, account, into, **{"from": old})
    return replace(told, source=source)


def test_the_events_contact_survives_and_later_events_of_the_old_id_are_the_survivors() -> None:
    identity = Identity(people(a="acme", b="acme beta"))
    resolved = identity.resolve(merging("b", "a"))
    assert isinstance(resolved, Found)
    assert [(merge.old, merge.into, merge.accounts) for merge in resolved.merges] == [
        ("a", "b", {"acme", "beta"})
    ]
    again = identity.resolve(happens("x", "acme", "a"))
    assert isinstance(again, Found)
    assert again.event.contact == "b"


def test_an_account_merge_moves_its_people() -> None:
    identity = Identity(people(ann="acme", bob="acme beta"))
    identity.resolve(replace(happens("crm.account_merged", "beta", **{"from": "acme"}), contact=None))
    for who in ("ann", "bob"):
        resolved = identity.resolve(happens("x", None, who))
        assert isinstance(resolved, Found)
        assert resolved.event.account == "beta"


def test_merges_chain_in_whatever_order_they_come() -> None:
    for order in (("ab", "bc"), ("bc", "ab")):
        identity = Identity(people(a="acme", b="acme", c="acme"))
        for old, into in order:
            identity.resolve(merging(into, old))
        for who in "abc":
            resolved = identity.resolve(happens("x", "acme", who))
            assert isinstance(resolved, Found)
            assert resolved.event.contact == "c"


def test_merging_twice_is_nothing() -> None:
    identity = Identity(people(a="acme", b="acme"))
    told = merging("b", "a")
    assert len(identity.resolve(told).merges) == 1  # type: ignore[union-attr]
    assert identity.resolve(told).merges == ()  # type: ignore[union-attr]


@pytest.mark.parametrize("circle", [("a", "c"), ("a", "b"), ("b", "c"), ("c", "c"), ("x", "x")])
def test_a_circle_is_refused(circle: tuple[str, str]) -> None:
    identity = Identity(people(a="acme", b="acme", c="acme"))
    identity.resolve(merging("b", "a"))
    identity.resolve(merging("c", "b"))
    refusal = identity.resolve(merging(*circle))
    assert isinstance(refusal, Problem)
    assert refusal.reason == "merge_circle"


@pytest.mark.parametrize("how", [{"kind": "alias"}, {"source": "segment"}])
def test_two_known_contacts_with_different_addresses_are_never_merged_by_a_shared_browser(
    how: dict[str, str],
) -> None:
    facts = people(ann="acme", bob="acme")
    facts.addresses.update(ann="ann@example.com", bob="bob@example.com")
    assert refused(facts, merging("ann", "bob", **how)) == "address_taken"
    assert found(facts, merging("ann", "bob")).merges


def test_who_signs_in_where_another_did_before_does_not_become_that_one() -> None:
    identity = Identity(people(ann="acme", bob="acme"))
    identity.resolve(merging("ann", "visitor", source="segment"))
    again = identity.resolve(merging("bob", "visitor", source="segment"))
    assert isinstance(again, Found)
    assert again.merges == ()


def test_a_merge_of_people_without_an_account_belongs_to_one_that_knows_them() -> None:
    assert found(people(a="zeta", b="beta acme"), merging("b", "a", account=None)).event.account == "acme"
    assert found(people(a="", b=""), merging("b", "a", account=None)).event.account is None


@pytest.mark.parametrize("old", [None, "", 7, ["a"]])
def test_a_merge_says_what_becomes_what(old: Any) -> None:
    assert refused(people(), merging("b", old)) == "invalid"


def test_the_last_merge_says_what_those_who_are_one_are_called() -> None:
    assert last_of([Join(1, "a", "b"), Join(2, "b", "c")]) == "c"
    assert last_of([Join(2, "a", "b"), Join(1, "a", "c")]) == "b"


def test_a_name_of_others_stands_for_one_of_ours() -> None:
    facts = Facts(outside={Outside(ACCOUNT, "stripe", "cus_1"): "beta"})
    assert refused(facts, happens("crm.account_updated", external={"stripe": "cus_1"})) == "external_taken"
    assert found(facts, happens("crm.account_updated", "beta", external={"stripe": "cus_1"})).links == ()
    (link,) = found(facts, happens("crm.account_updated", external={"stripe": "cus_2"})).links
    assert (link.id, link.outside) == ("acme", Outside(ACCOUNT, "stripe", "cus_2"))


@pytest.mark.parametrize("external", ["cus_1", ["cus_1"], {"stripe": 1}, {"stripe": ""}, {"stripe": None}])
def test_names_of_others_are_texts_by_source(external: Any) -> None:
    assert refused(Facts(), happens("crm.account_updated", external=external)) == "invalid"


def test_nothing_is_asked_for_plain_events_but_what_their_ids_have_become() -> None:
    asked = asked_by([happens("x", "acme", "ann"), happens("y", "beta")])
    assert asked == Asked(ids={"acme", "ann", "beta"})
