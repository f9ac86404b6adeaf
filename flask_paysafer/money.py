"""Money as whole minor units of one currency: fils for AED, yen for JPY.

Rules of this file: no floats, no rounding, no mixing of currencies. Amounts that
are not whole minor units are rejected.
"""

from __future__ import annotations

import copy
import functools
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

__all__ = ["CURRENCIES", "Money", "check_currency", "exponent"]

# ISO 4217, list one: how many digits follow the point in each currency that is in use.
_CODES_BY_EXPONENT = {
    0: """
bif clp djf gnf isk jpy kmf krw pyg rwf ugx uyi vnd vuv xaf xof xpf
""",
    2: """
aed afn all amd aoa ars aud awg azn bam bbd bdt bmd bnd bob bov brl bsd btn bwp byn
bzd cad cdf che chf chw cny cop cou crc cup cve czk dkk dop dzd egp ern etb eur fjd
fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr irr jmd kes kgs khr kpw
kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn mxv myr
mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg
sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt top try ttd twd tzs uah usd
usn uyu uzs ved ves wst xad xcd xcg yer zar zmw zwg
""",
    3: """
bhd iqd jod kwd lyd omr tnd
""",
    4: "clf uyw",
}
_EXPONENTS = {
    code: digits for digits, codes in _CODES_BY_EXPONENT.items() for code in codes.split()
}
CURRENCIES = frozenset(_EXPONENTS)
"""The codes of ISO 4217 that are in use and have minor units, in lower case."""
_LARGEST_POWER_OF_TEN = 30


def check_currency(currency: object) -> str:
    """Return the code in lower case, as PaySafer writes it.

    :raises TypeError: if it is no string.
    :raises ValueError: if ISO 4217 has no such currency with minor units.
    """
    if not isinstance(currency, str):
        raise TypeError(f"currency must be a code such as 'aed', not {type(currency).__name__}.")
    code = currency.lower()
    if code not in _EXPONENTS:
        raise ValueError("currency must be a code of ISO 4217 in use, such as 'aed' or 'usd'.")
    return code


def exponent(currency: str) -> int:
    """Return how many decimals the currency has: 2 for AED, 3 for KWD, 0 for JPY."""
    return _EXPONENTS[check_currency(currency)]


@functools.total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """An exact sum: ``Money(15000, "aed")`` is AED 150.00.

    Sums of one currency add, subtract, compare and multiply by whole numbers;
    ``sum()`` works. Another currency raises ``ValueError``, a float ``TypeError``.
    """

    amount: int
    """Minor units (100 fils are AED 1). Negative sums are allowed, as differences."""
    currency: str
    """ISO 4217 code in lower case; upper case is accepted."""

    def __post_init__(self) -> None:
        _check_integer(self.amount, "amount")
        object.__setattr__(self, "currency", check_currency(self.currency))

    @classmethod
    def from_decimal(cls, value: Decimal | int | str, currency: str) -> Money:
        """Return the sum of so many major units: ``from_decimal("150.00", "aed")``.

        :raises TypeError: for a float, which can't hold most sums exactly.
        :raises ValueError: for more decimals than the currency has, or no number.
        """
        digits = exponent(currency)
        minor = _scale(_to_decimal(value), digits)
        if minor is None:
            raise ValueError(f"{currency.upper()} has {digits} decimals; round the value first.")
        return cls(minor, currency)

    def to_decimal(self) -> Decimal:
        """Return the sum in major units with the currency's decimals: ``Decimal("150.00")``."""
        sign, digits = int(self.amount < 0), tuple(map(int, str(abs(self.amount))))
        # Made from digits, for arithmetic would round to the context's precision.
        return Decimal((sign, digits, -exponent(self.currency)))

    def format(self, locale: str | Locale = "en") -> str:
        """Return the sum as people of ``locale`` write it; needs the ``babel`` extra.

        :param locale: ``"en-AE"``, ``"ar_AE"`` or a :class:`babel.Locale`.
        :raises ImportError: if Babel is not installed.
        """
        from babel import Locale
        from babel.numbers import get_currency_symbol

        if isinstance(locale, str):
            locale = Locale.parse(locale.replace("-", "_"))
        pattern = copy.copy(locale.currency_formats["standard"])
        # ISO's decimals, not CLDR's: those write some currencies (IQD, LBP …) without
        # their minor units, which would show another sum than the one that is charged.
        pattern.frac_prec = (exponent(self.currency),) * 2
        code = self.currency.upper()
        if get_currency_symbol(code, locale)[-1:].isalpha():
            # Unicode's rule for letters next to digits, which Babel leaves out: AED 150.00.
            pattern.prefix = tuple(re.sub("¤$", "¤\xa0", prefix) for prefix in pattern.prefix)
        text: str = pattern.apply(self.to_decimal(), locale, currency=code, currency_digits=False)
        return text

    def __str__(self) -> str:
        return f"{self.currency.upper()} {self.to_decimal():,f}"

    def __bool__(self) -> bool:
        return self.amount != 0

    def __neg__(self) -> Money:
        return Money(-self.amount, self.currency)

    def __abs__(self) -> Money:
        return Money(abs(self.amount), self.currency)

    def __add__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount + self._same(other), self.currency)

    def __radd__(self, other: int) -> Money:
        # sum() starts with 0; no other number is money.
        return self if other == 0 and type(other) is int else NotImplemented

    def __sub__(self, other: Money) -> Money:
        if not isinstance(other, Money):
            return NotImplemented
        return Money(self.amount - self._same(other), self.currency)

    def __mul__(self, factor: int) -> Money:
        if isinstance(factor, bool) or not isinstance(factor, int):
            return NotImplemented
        return Money(self.amount * factor, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self.amount < self._same(other)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise ValueError(
                f"{self.currency.upper()} and {other.currency.upper()} can't be put together."
            )
        return other.amount


def _check_integer(value: object, name: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} must be whole minor units as int (15000 for AED 150.00), "
            f"not {type(value).__name__}."
        )


def _to_decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):
        raise TypeError(f"value must be Decimal, int or str, not {type(value).__name__}.")
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise ValueError("value is not a number.") from None
    if not number.is_finite() or number.adjusted() > _LARGEST_POWER_OF_TEN:
        raise ValueError("value is too large to be a sum of money.")
    return number


def _scale(number: Decimal, digits: int) -> int | None:
    """Return ``number`` times ten to the power ``digits``, or None if that isn't whole.

    By integers, for arithmetic of Decimal rounds to the precision of its context.
    """
    sign, figures, power = number.as_tuple()
    whole = int("".join(map(str, figures)))
    shift = int(power) + digits
    if -shift > len(figures):
        return 0 if whole == 0 else None
    whole, rest = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
    return None if rest else (-whole if sign else whole)
