"""F3: the checkers can fail. Every broken version of the protocol is caught, by the checker whose business it is."""

import pytest

from faults.campaign import run
from faults.mutants import MUTANTS

BUDGET = 100
"""Schedules within which a mutant must be caught."""

CAUGHT_BY = {
    "offset_before_effects": "i1_every_answered_event_is_in_exactly_one_place",
    "offset_after_effects": "i5_positions_and_effects_agree",
    "no_dedupe": "i4_every_state_is_the_fold_of_its_events",
    "no_conflict_check": "i3_the_first_content_of_an_id_wins",
    "no_claim": "i15_a_message_is_accepted_once",
    "blind_resend": "i15_a_message_is_accepted_once",
    "sent_before_conversation": "i15_sent_means_accepted",
    "no_compare_and_swap": "i5_positions_and_effects_agree",
    "no_version_check": "i4_every_state_is_the_fold_of_its_events",
    "dead_letter_outside": "i1_every_record_of_the_feed_is_folded_or_dead",
    "suppression_only_at_enqueue": "i17_what_was_answered_before_the_hand_over_is_honoured",
    "exit_not_rechecked": "i17_an_exit_answered_before_the_hand_over_is_honoured",
    "exit_leaves_messages": "i17_an_exit_answered_before_the_hand_over_is_honoured",
    "random_message_id": "i15_sent_means_accepted",
    "no_decision": "every_start_and_every_send_has_its_decision",
    "no_rescue": "i16_every_message_is_settled",
    "doubt_is_temporary": "i15_a_message_is_accepted_once",
    "effects_split": "i5_positions_and_effects_agree",
}
QUICK = ("offset_before_effects", "sent_before_conversation")


def test_every_mutant_has_its_checker() -> None:
    assert CAUGHT_BY.keys() == MUTANTS.keys()


@pytest.mark.parametrize("name", QUICK)
def test_a_broken_protocol_is_caught(name: str) -> None:
    assert _caught(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MUTANTS.keys() - set(QUICK)))
def test_every_broken_protocol_is_caught(name: str) -> None:
    assert _caught(name)


def _caught(name: str) -> bool:
    """Whether the checker whose business it is sees the mutant within the budget."""
    return any(
        checker == CAUGHT_BY[name]
        for seed in range(BUDGET)
        for checker, _ in run(seed, MUTANTS[name]).violations
    )
