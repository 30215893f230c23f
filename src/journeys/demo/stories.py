"""What is planted in the demo's year, in how many accounts, and when: the answer key for the pipeline.

A `Beat` is one planted thing; an account's `Story` is its beats. `casting` hands the parts out before anything
is written; the writers (`plots`, `onboarding`, `money`, `box`) then play them and note the exact instants.
"""

from dataclasses import dataclass

from signals.instant import Instant

KINDS: dict[str, str] = {
    "healthy": "Nothing goes wrong. From the account's first instant to the end of the year.",
    "stalled_adoption": "Not activated 14 days after joining (`at`), until rescued or churned.",
    "onboarding_stalled": "Silent in its first days, from the last thing done (`at`) to the next; activates within 14 days.",
    "usage_drop": "Usage slides from `at` over two weeks to 40 % or 60 % less (`size`), until it is back.",
    "ticket_spike": "3 to 6 tickets, some high or urgent, from the first (`at`) to the last within 7 days.",
    "repeat_issue": "The same trouble again: a second ticket on one topic within 7 days (`until`).",
    "champion_left": "The champion leaves the company (`at`); until a new one is named, or for good.",
    "contract_approaching": "An annual contract from 180 days before it renews (`at`) to the renewal, with its talks.",
    "payment_failed": "A charge fails (`at`), is tried again, and is paid, lapses, or stays open (`until`).",
    "cancel_intent": "The cancel page is viewed (`at`) and the cancel flow started; until the decision.",
    "detractor": "A recommendation score of 6 or less (`at`); until the next score.",
    "exec_disengaged": "The executive sponsor is not seen again from the last visit (`at`) on, or for 90 days.",
    "expansion_ready": "The last seats fill up (`at`); until more are bought.",
    "value_milestone": "The first proven value: milestone `value_proven` (`at` = `until`).",
    "frequency_mismatch": "Boxes are skipped, or ordered in a bunch, against the household's own rhythm.",
    "high_ltv_bad_experience": "A loyal household's box comes late, it complains and scores 1; until made good.",
}
"""Every kind of story, with what `Beat.at` and `Beat.until` mean for it."""

GOOD_NEWS = frozenset({"healthy", "contract_approaching", "expansion_ready", "value_milestone"})
"""The kinds that are no sign of risk."""


@dataclass(frozen=True)
class Beat:
    """One planted thing: its kind, when it begins and ends, how it turned out, and how large it is.

    `size` is the share of usage lost, the number of tickets, attempts, orders or days, or the score given.
    """

    kind: str
    at: Instant
    until: Instant
    outcome: str
    size: float = 0


@dataclass(frozen=True)
class Story:
    """All that was planted in one account, in order of time."""

    account: str
    beats: tuple[Beat, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds planted, in order of time."""
        return tuple(beat.kind for beat in self.beats)

    @property
    def healthy(self) -> bool:
        """Whether no sign of risk was planted and nothing ended."""
        return all(beat.kind in GOOD_NEWS and beat.outcome != "cancelled" for beat in self.beats)

    def beat(self, kind: str) -> Beat:
        """The first beat of a kind. Raises KeyError if it was not planted here."""
        for beat in self.beats:
            if beat.kind == kind:
                return beat
        raise KeyError(f"{self.account} has no {kind} planted; it has {', '.join(self.kinds)}")
