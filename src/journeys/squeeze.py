"""Large packed values made small: deflate (RFC 1951) with a dictionary of what states are full of.

The dictionary is frozen: it is needed for as long as a value squeezed with it lies anywhere. One that fits a later
library better gets a first byte of its own.
"""

import zlib

import msgspec

LARGE = 1_500
"""Bytes from which a value is squeezed: PostgreSQL would do it by itself, and worse, to rows over 2,000."""

_SQUEEZED = b"\x01"
"""What begins a squeezed value; others begin with an array."""

_WORDS = [
    "usage_trend",
    "last_seen",
    "seats_active",
    "breadth",
    "order_rhythm",
    "last_order",
    "tickets",
    "mood",
    "csat",
    "nps",
    "green",
    "amber",
    "red",
    "condition",
    "holds",
    "saw",
    "signal",
    "count",
    "in",
    "gte",
    "change",
    "product.feature_used",
    "against",
    "absent",
    "for",
    "all",
    "any",
    "not",
    "fired",
    "America/New_York",
    "America/Los_Angeles",
    "Europe/Berlin",
    "Europe/London",
    "en-US",
    "en-GB",
    "de-DE",
    "example.com",
    ".com",
    "tier",
    "country",
    "industry",
    "goals",
    "line",
    "seats_used",
    "industry",
    "owner",
    "timezone",
    "locale",
    "name",
    "email",
    "subscription_started_at",
    "interval_months",
    "next_charge_at",
    "T00:00:00Z",
    "payment_status",
    "status",
    "active",
    "cancelled",
    "failed",
    "ok",
    "plan",
    "pro",
    "enterprise",
    "starter",
    "mrr",
    "seats",
    "last_order_status",
    "brand_advocate",
    "high_ltv",
    "at_risk",
    "at",
    "crm",
    "billing",
    "support",
    "onboarding",
    "adoption",
    "value",
    "renewal",
    "churned",
    "activated",
    "value_proven",
    "low",
    "normal",
    "high",
    "urgent",
    "brief",
    "standard",
    "detailed",
    "neutral",
    "warm",
    "info",
    "warning",
    "critical",
    "exec_sponsor",
    "finance",
    "champion",
    "admin",
    "user",
]
"""Least frequent first: deflate reaches what stands near the end in fewer bits."""

_IDS = (  # of the shipped library's measures and definitions
    218_915_010,
    2_174_545_479,
    2_245_770_064,
    584_998_282,
    1_839_963_339,
    260_904_278,
    3_780_016_780,
    2_511_688_390,
    2_835_948_013,
    335_682_173,
    3_329_227_330,
    2_224_812_852,
    869_290_701,
    4_227_284_747,
    3_376_075_049,
    4_245_128_692,
    2_559_960_665,
    3_848_351_698,
    1_258_857_213,
    1_156_567_480,
    3_151_534_127,
    5_014_064_327,
    4_057_771_464,
    1_077_225_474,
    3_862_752_270,
    38_265_912,
    2_653_675_746,
    3_192_289_844,
    2_353_559_369,
    747_312_582,
    1_588_342_417,
    3_807_389_288,
    1_708_771_820,
    1_462_358_012,
    1_291_974_766,
    925_054_855,
    2_369_256_360,
    2_373_938_598,
    1_549_254_883,
    774_785_390,
    867_692_299,
    1_813_838_429,
    2_181_522_838,
    653_554_554,
    3_187_896_540,
    2_997_075_553,
    2_091_717_159,
    1_022_532_252,
    3_718_310_746,
    342_714_338,
    2_503_578_658,
    943_922_919,
    1_176_418_707,
    2_173_318_522,
    1_523_189_369,
    1_576_162_328,
    3_780_199_084,
    1_881_640_584,
    840_317_395,
    2_404_662_597,
)

_DICTIONARY = b"".join(map(msgspec.msgpack.encode, (*_WORDS, *_IDS)))


def squeezed(raw: bytes) -> bytes:
    """The packed value, small."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_DEFAULT_STRATEGY, _DICTIONARY)
    return b"".join((_SQUEEZED, deflate.compress(raw), deflate.flush()))


def is_squeezed(value: bytes) -> bool:
    """Whether the value was squeezed."""
    return value[:1] == _SQUEEZED


def unsqueezed(value: bytes) -> bytes:
    """The packed value as it was."""
    if not is_squeezed(value):
        return value
    return zlib.decompressobj(-zlib.MAX_WBITS, _DICTIONARY).decompress(value[1:])
