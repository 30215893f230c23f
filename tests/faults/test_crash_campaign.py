"""F1: whole processes killed at marked points, seed by seed; every invariant holds after every kill and at the end.

A failure prints its seed; `run(seed)` is that schedule again, to the byte.
"""

import pytest

from faults.campaign import broken, run

QUICK, FULL = 8, 400


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_sent_twice_however_often_a_process_dies() -> None:
    found, kills = broken(range(QUICK))
    assert not found, "\n".join(map(str, found))
    assert kills > QUICK


def test_the_same_seed_is_the_same_schedule_to_the_byte() -> None:
    assert run(7).trace == run(7).trace


@pytest.mark.slow
@pytest.mark.parametrize("first", range(QUICK, QUICK + FULL, 50))
def test_nothing_is_lost_doubled_or_sent_twice_in_hundreds_of_schedules(first: int) -> None:
    found, kills = broken(range(first, first + 50))
    assert not found, "\n".join(map(str, found))
    assert kills > 50
