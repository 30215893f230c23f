"""Small charts drawn on the server: bars per day as SVG, no script and no inline style."""

from collections.abc import Sequence
from datetime import timedelta

from markupsafe import Markup

from signals.instant import Instant, to_datetime

_BAR, _GAP, _HEIGHT = 5, 2, 36


def sparkline(counts: Sequence[int], now: Instant, what: str) -> Markup:
    """One bar for each day, today last; empty days are a hair line. Each bar names its day and number on hover."""
    most, today = max(counts, default=0), to_datetime(now).date()
    bars = Markup("").join(
        _bar(place, number, most, f"{today - timedelta(days=len(counts) - 1 - place):%a %-d %b}: {number}")
        for place, number in enumerate(counts)
    )
    label = f"{what} per day, last {len(counts)} days: {sum(counts)} in all, at most {most} a day"
    svg = Markup('<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return svg.format(max(1, len(counts) * (_BAR + _GAP) - _GAP), _HEIGHT, label, bars)


def _bar(place: int, number: int, most: int, title: str) -> Markup:
    height = max(1, round(_HEIGHT * number / most)) if most else 1
    bar = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="1"{}><title>{}</title></rect>')
    empty = Markup("") if number else Markup(' class="nil"')
    return bar.format(place * (_BAR + _GAP), _HEIGHT - height, _BAR, height, empty, title)


def share(part: int, whole: int) -> Markup:
    """A horizontal bar: how much of the whole a part is."""
    width = round(100 * part / whole, 1) if whole else 0
    svg = Markup(
        '<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="all" width="100" height="6"/><rect width="{}" height="6"/></svg>'
    )
    return svg.format(max(width, 1) if part else 0)
