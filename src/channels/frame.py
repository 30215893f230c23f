"""The sheet an e-mail is written on: who sends it, from where, how to stop it, in which colour."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from channels.grammar import RenderFailed

Purpose: TypeAlias = Literal["marketing", "service", "transactional"]
"""A message's class (semantics §7)."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)
_WHITE = (255, 255, 255)
_INK = (17, 24, 39)
_SHEET_DARK = (26, 32, 41)  # the sheet of frame.html in the dark
_READABLE = 4.5  # WCAG 2.2 §1.4.3
_Colour: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Frame:
    """What surrounds a mail. Only the two URLs differ from one recipient to the next.

    `address` is the postal address in one line, `reason` one sentence saying why this person gets it,
    `colour` the brand's, as `#rrggbb`. Raises ValueError for another spelling of a colour.
    """

    sender: str
    address: str = ""
    purpose: Purpose = "marketing"
    unsubscribe_url: str | None = None
    preferences_url: str | None = None
    reason: str = ""
    colour: str = "#1d5fd1"
    unsubscribe_label: str = "Unsubscribe"
    preferences_label: str = "E-mail preferences"

    def __post_init__(self) -> None:
        if not _COLOUR.fullmatch(self.colour):
            raise ValueError(f"a colour is written #rrggbb, not {self.colour!r:.20}")

    def require_way_out(self) -> None:
        """Marketing needs an unsubscribe link and a postal address (CAN-SPAM). Raises RenderFailed."""
        if self.purpose == "marketing" and not (self.unsubscribe_url and self.address.strip()):
            raise RenderFailed(
                "no_unsubscribe", "marketing mail needs an unsubscribe link and a postal address"
            )


@dataclass(frozen=True, slots=True)
class Palette:
    """A brand colour as it can be read: `link` on white, `link_dark` on the dark sheet, `on_accent` on itself.

    `tint` and `tint_dark` are the sheets with a breath of it, for boxes that text stands on.
    """

    accent: str
    on_accent: str
    link: str
    link_dark: str
    tint: str
    tint_dark: str


@lru_cache(maxsize=64)
def palette(colour: str) -> Palette:
    """Derives readable companions (contrast at least 4.5) of `#rrggbb`."""
    accent = _parsed(colour)
    text = _WHITE if _contrast(accent, _WHITE) >= _contrast(accent, _INK) else _INK
    return Palette(
        _written(accent),
        _written(text),
        _written(_moved(accent, towards=_INK, on=_WHITE)),
        _written(_moved(accent, towards=_WHITE, on=_SHEET_DARK)),
        _written(_mixed(accent, _WHITE, 0.93)),
        _written(_mixed(accent, _SHEET_DARK, 0.8)),
    )


def _moved(colour: _Colour, *, towards: _Colour, on: _Colour) -> _Colour:
    """The nearest mix with `towards` that can be read on `on`."""
    mixes = (_mixed(colour, towards, tenth / 10) for tenth in range(11))
    return next(mix for mix in mixes if _contrast(mix, on) >= _READABLE)


def _mixed(one: _Colour, other: _Colour, share: float) -> _Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _contrast(one: _Colour, other: _Colour) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: _Colour) -> float:
    """Relative luminance, WCAG 2.2."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in colour
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parsed(colour: str) -> _Colour:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _written(colour: _Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
