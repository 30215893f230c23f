"""Rates with intervals that are honest about groups: what happens at one account is not independent."""

from math import sqrt
from statistics import NormalDist
from typing import NamedTuple


class Interval(NamedTuple):
    """A rate and between which rates it may well lie."""

    value: float
    low: float
    high: float


def z_for(rows: int, confidence: float = 0.95) -> float:
    """The normal quantile that makes `rows` intervals right together (Bonferroni), two-sided."""
    return NormalDist().inv_cdf(1 - (1 - confidence) / 2 / max(1, rows))


def wilson(rate: float, trials: float, z: float) -> Interval:
    """The score interval of Wilson (1927) for a rate seen in so many trials, which need not be a whole number."""
    shrink = 1 + z * z / trials
    middle = (rate + z * z / (2 * trials)) / shrink
    reach = z * sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / shrink
    return Interval(rate, max(0.0, middle - reach), min(1.0, middle + reach))


class Share:
    """Hits among trials, gathered account by account. Holds sums only, however many accounts there are."""

    def __init__(self) -> None:
        self.trials = self.hits = self.accounts = 0
        self._hits_squared = self._products = self._trials_squared = 0

    def add(self, trials: int, hits: int) -> None:
        """What one account brings; nothing where it had no trial."""
        if not trials:
            return
        self.trials += trials
        self.hits += hits
        self.accounts += 1
        self._hits_squared += hits * hits
        self._products += hits * trials
        self._trials_squared += trials * trials

    @property
    def rate(self) -> float | None:
        """The share; None without a trial."""
        return self.hits / self.trials if self.trials else None

    def effective(self) -> float:
        """How many independent trials these are worth: trials divided by the design effect of the accounts.

        The variance of the ratio is estimated between accounts (Kish, Survey Sampling, 1965, section 6.3). Never
        more than the trials, and where all agree no more than the accounts.
        """
        rate = self.rate
        if rate is None or self.accounts < 2:
            return float(min(1, self.accounts))
        spread = self._hits_squared - 2 * rate * self._products + rate * rate * self._trials_squared
        variance = spread * self.accounts / (self.accounts - 1) / self.trials**2
        if variance <= 0 or self.hits in (0, self.trials):
            return float(self.accounts)
        return min(float(self.trials), rate * (1 - rate) / variance)

    def interval(self, z: float) -> Interval | None:
        """The rate with its interval; None without a trial."""
        return None if self.rate is None else wilson(self.rate, self.effective(), z)
