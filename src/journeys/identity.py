"""Who an event is about: our id for every name it may come with, and which names turn out to be one (semantics §2).

Pure: what is known is loaded in bulk for a set of events (`journeys.store.identities`), and what these events
themselves say is added as they are resolved one after the other, so that the size of a batch changes nothing.
"""

import msgspec

from journeys import unresolved
from journeys.ids import Alias, Facts, Found, Link, Merge, last_of, leads
from journeys.naming import (
    ACCOUNT,
    CONTACT,
    MERGES,
    UPDATES,
    address_in,
    address_key,
    called,
    external_of,
    named_outside,
    names_outside,
    own,
)
from signals.event import Event
from signals.instant import Instant
from signals.joins import Join, Said, joined
from signals.problem import Problem
from signals.sources.segment import SOURCE as BROWSER

_SPEAKS = {*MERGES, *UPDATES}


class Identity:
    """Resolves events in their order; knows what has been said so far."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._aliases = facts.aliases
        self._any = bool(facts.aliases[ACCOUNT] or facts.aliases[CONTACT])
        self._idle = not (self._any or facts.homes or facts.outside or facts.addresses or facts.called)

    def is_plain(self, event: Event) -> bool:
        """Whether the event is about whom it says, and says nothing of who is who: what happens most."""
        return self._idle and event.account is not None and event.type not in _SPEAKS

    def resolve(self, event: Event) -> Found | Problem:
        """The event with our ids and what it joins; a Problem where nobody can be named, or what it says cannot be."""
        event = self.known(self._inside(event))
        if event.account is None and event.type not in MERGES:
            homes = self._homes(event)
            if len(homes) != 1:
                return unresolved.homeless(event, homes)
            event = msgspec.structs.replace(event, account=next(iter(homes)))
        found: Found | Problem = Found(event)
        if event.type in MERGES:
            found = self._merged(event)
        elif event.type in UPDATES:
            found = self._updated(event)
        if isinstance(found, Found):
            self._note(found.event)
        return found

    def known(self, event: Event) -> Event:
        """The event with the ids that those it came with have become."""
        if not self._any:
            return event
        account = self._aliases[ACCOUNT].get(event.account or "")
        contact = self._aliases[CONTACT].get(event.contact or "")
        if account is None and contact is None:
            return event
        named = event.said or Said(event.account, event.contact)
        return msgspec.structs.replace(
            event,
            account=event.account if account is None else account.survivor,
            contact=event.contact if contact is None else contact.survivor,
            said=Said(
                named.account,
                named.contact,
                named.accounts if account is None else account.joins,
                named.contacts if contact is None else contact.joins,
            ),
        )

    def settled(self, link: Link) -> Link:
        """The link to whom its id has become meanwhile."""
        alias = self._aliases[link.outside.kind].get(link.id)
        return link if alias is None else Link(link.outside, alias.survivor)

    def _homes(self, event: Event) -> set[str]:
        """The accounts of its contact, or of who is known by the address it brings."""
        known = self._facts.homes.get(event.contact or "", set())
        key = None if known or event.contact is None else address_in(event)
        holders = [] if key is None else self._holders(key)
        return known.union(*(self._facts.homes.get(who, set()) for who in holders))

    # ── names of others ────────────────────────────────────────────────────────────────────────────────────────

    def _inside(self, event: Event) -> Event:
        """With the account and contact that a vendor named in its own way, or by an address."""
        if event.account is not None and event.contact is not None and not names_outside(event):
            return event
        account = own(event.account, event) or self._of(event, ACCOUNT) or event.account
        contact = own(event.contact, event) or self._of(event, CONTACT) or event.contact
        contact = contact or self._at_address(event)
        if account == event.account and contact == event.contact:
            return event
        return msgspec.structs.replace(event, account=account, contact=contact)

    def _of(self, event: Event, kind: str) -> str | None:
        outside = named_outside(event, kind)
        return None if outside is None else self._facts.outside.get(outside)

    def _at_address(self, event: Event) -> str | None:
        key = address_key(event.data.get("contact_email"))
        return None if key is None else min(self._holders(key), key=self._age, default=None)

    def _holders(self, key: str) -> list[str]:
        return [who for who, address in self._facts.addresses.items() if address == key]

    def _age(self, contact: str) -> tuple[Instant, str]:
        """The older is the one first seen, then the smaller id (definitions "Small rules")."""
        return self._facts.first_seen.get(contact, 0), contact

    # ── what an event says of identity ─────────────────────────────────────────────────────────────────────────

    def _updated(self, event: Event) -> Found | Problem:
        links = self._linked(event)
        if isinstance(links, Problem):
            return links
        self._note(event)
        key = address_in(event)
        problem = None if key is None else self._taken(event, key)
        if problem is not None:
            return problem
        merges = self._claimed(event, links)
        if key is not None and event.contact is not None:
            merges += self._addressed(self.known(event), key)
        self._facts.outside.update({link.outside: self.settled(link).id for link in links})
        self._idle = self._idle and not links
        return Found(self.known(event), links, merges)

    def _claimed(self, event: Event, links: tuple[Link, ...]) -> tuple[Merge, ...]:
        """Whoever was known by a name of others until it was linked is who it was linked to."""
        merges: list[Merge] = []
        for link in links:
            kind, old = link.outside.kind, called(link.outside)
            if self._facts.called.get((kind, old)) and old != link.id and old not in self._aliases[kind]:
                join = Join(event.time, old, link.id)
                merges += self._join(kind, old, link.id, join, "external")
        return tuple(merges)

    def _linked(self, event: Event) -> tuple[Link, ...] | Problem:
        """What others call the account or contact from now on; one name stands for one of ours."""
        said = external_of(event)
        if isinstance(said, Problem):
            return said
        new = []
        for outside in said:
            mine = event.account if outside.kind == ACCOUNT else event.contact
            known = self._facts.outside.get(outside)
            if known is not None and known != mine:
                return unresolved.external_taken(outside, known)
            if known is None and mine is not None:
                new.append(Link(outside, mine))
        return tuple(new)

    def _taken(self, event: Event, key: str) -> Problem | None:
        """A contact that has another address does not get one that somebody is known by."""
        had = self._facts.addresses.get(event.contact or "")
        others = [other for other in self._holders(key) if other != event.contact]
        if event.contact is None or had in (None, key) or not others:
            return None
        return unresolved.address_taken(event.contact, others[0])

    def _addressed(self, event: Event, key: str) -> tuple[Merge, ...]:
        """A contact gets an address: one that somebody is known by makes the two one, whoever is older."""
        who = event.contact
        assert who is not None
        others = [other for other in self._holders(key) if other != who]
        had = self._facts.addresses.get(who)
        self._facts.addresses[who] = key
        if had == key or not others:
            return ()
        into = min([who, *others], key=self._age)
        old = who if into != who else others[0]
        return self._join(CONTACT, old, into, Join(event.time, old, into), "email")

    def _merged(self, event: Event) -> Found | Problem:
        kind, told = MERGES[event.type], event.data.get("from")
        into = event.account if kind == ACCOUNT else event.contact
        named = event if event.said is None else event.said
        said_into = named.account if kind == ACCOUNT else named.contact
        if not isinstance(told, str) or not told or into is None or said_into is None:
            return unresolved.nothing_to_merge(event, kind)
        joins = self._facts.joins.get((kind, into), [])
        if told == said_into or leads(joins, said_into, told):
            return unresolved.circle(event, told)
        alias = self._aliases[kind].get(told)
        old = told if alias is None else alias.survivor
        if alias is not None and event.source == BROWSER:
            return self._housed(event)  # others may have used the same browser
        if self._browser_only(event) and self._differ(old, into):
            return unresolved.two_people(event, told)
        merges = self._join(kind, old, into, Join(event.time, told, said_into), event.type)
        return self._housed(self.known(event), merges)

    def _browser_only(self, event: Event) -> bool:
        return event.type == "alias" or event.source == BROWSER

    def _differ(self, one: str, other: str) -> bool:
        addresses = self._facts.addresses.get(one), self._facts.addresses.get(other)
        return None not in addresses and addresses[0] != addresses[1]

    def _housed(self, event: Event, merges: tuple[Merge, ...] = ()) -> Found:
        """A merge of people belongs to the account it names, else to the first that knows them."""
        if event.account is None:
            homes = self._facts.homes.get(event.contact or "", set())
            if not homes:
                return Found(event, (), merges)  # nobody we know yet; their events will find each other
            event = msgspec.structs.replace(event, account=min(homes))
        return Found(event, (), merges)

    def _join(self, kind: str, old: str, into: str, join: Join, because: str) -> tuple[Merge, ...]:
        """Two ids are one from here on, and all that had become them: they are called as the last merge says.

        Which that is does not depend on the order in which merges came; it may be one that was neither of the two.
        """
        facts = self._facts
        known = joined(facts.joins.pop((kind, old), []), facts.joins.pop((kind, into), []))
        joins = joined(known, [join])
        root = last_of(joins)
        facts.joins[kind, root] = joins
        ids = [name for name in dict.fromkeys((old, into)) if name != root]
        if not ids and join not in known:
            ids = [root]  # one already; but since when is news
        return tuple(self._merge(kind, name, root, join, joins, because) for name in ids)

    def _merge(self, kind: str, old: str, into: str, join: Join, joins: list[Join], because: str) -> Merge:
        facts, aliases = self._facts, self._aliases[kind]
        self._any, self._idle = True, False
        for name, alias in [*aliases.items(), (old, Alias(old, []))]:
            if alias.survivor in (old, into):
                aliases[name] = Alias(into, joins)
        aliases.pop(into, None)
        if kind == ACCOUNT:
            accounts = {old, into}
            for homes in facts.homes.values():
                if old in homes:
                    homes.remove(old)
                    homes.add(into)
        else:
            accounts = self._move_person(old, into)
        facts.outside.update(
            (outside, into) for outside, mine in facts.outside.items() if outside.kind == kind and mine == old
        )
        return Merge(kind, old, into, join, joins, because, frozenset(accounts))

    def _move_person(self, old: str, into: str) -> set[str]:
        facts = self._facts
        homes = facts.homes.pop(old, set()) | facts.homes.get(into, set())
        facts.homes[into] = set(homes)
        address = facts.addresses.pop(old, None)
        if address is not None:
            facts.addresses.setdefault(into, address)
        seen = [facts.first_seen[who] for who in (old, into) if who in facts.first_seen]
        if seen:
            facts.first_seen[into] = min(seen)
        return homes

    def _note(self, event: Event) -> None:
        """Where people are known, as far as anybody asks."""
        who, facts = event.contact, self._facts
        for name in ((ACCOUNT, event.account or ""), (CONTACT, who or "")):
            if name in facts.called:
                facts.called[name] = True
        if who is None or event.account is None or who not in facts.homes:
            return
        facts.homes[who].add(event.account)
        facts.first_seen[who] = min(event.time, facts.first_seen.get(who, event.time))
