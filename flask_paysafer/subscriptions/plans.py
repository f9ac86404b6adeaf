"""Plans: what a subscription costs in each period, and how its renewals are charged.

A plan is a function of the merchant's, registered with ``@paysafer.plan``. It is asked
once for each period; the sum that it returned is stored and never asked for again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ..errors import ConfigurationError
from ..money import Money
from ..webhooks.handlers import call
from .schedule import Interval

if TYPE_CHECKING:
    from .objects import Period, Subscription

AtEnd = Literal["cancel", "past_due", "pause"]
CatchUp = Literal["latest", "all"]
PlanFunction = Callable[..., "Charge | None"]

_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True)
class Charge:
    """What is due for one period.

    :param amount: Above zero, in minor units. Where nothing is due the plan returns None.
    :param description: Shown by PaySafer, on the page behind ``payment_url``, and on receipts.
    :param metadata: Strings that the payment carries.
    :raises ValueError: for a sum that is not above zero.
    :raises TypeError: for an amount that is no :class:`~flask_paysafer.Money`.
    """

    amount: Money
    description: str | None = None
    metadata: Mapping[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        amount: Any = self.amount
        if not isinstance(amount, Money):
            raise TypeError(f"Charge(amount=…) is Money, not {type(amount).__name__}.")
        if self.amount.amount <= 0:
            raise ValueError(
                f"A period can't cost {self.amount}: a charge is above zero. Return None from the "
                "plan where nothing is due."
            )
        if not all(isinstance(one, str) for pair in _pairs(self.metadata) for one in pair):
            raise TypeError("Charge(metadata=…) is a mapping of strings to strings.")


def _pairs(metadata: Mapping[Any, Any] | None) -> Iterable[tuple[Any, Any]]:
    return (metadata or {}).items()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A registered plan."""

    name: str
    every: Interval
    zone: ZoneInfo
    retry_after: tuple[Interval, ...]
    at_end: AtEnd
    catch_up: CatchUp
    function: PlanFunction
    takes_period: bool

    def charge(self, subscription: Subscription, period: Period) -> Charge | None:
        """Ask the merchant's function what the period costs; None for nothing due.

        :raises TypeError: if it returned something else than a :class:`Charge` or None.
        """
        arguments = (subscription, period) if self.takes_period else (subscription,)
        result: Any = call(self.function, *arguments)
        if result is not None and not isinstance(result, Charge):
            raise TypeError(
                f"The plan {self.name!r} must return a Charge or None, not {type(result).__name__}."
            )
        return result


class Plans:
    """The plans of one extension, by name."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}

    def __bool__(self) -> bool:
        return bool(self._plans)

    def __iter__(self) -> Any:
        return iter(self._plans.values())

    def get(self, name: str) -> Plan | None:
        """Return the plan called ``name``, or None."""
        return self._plans.get(name)

    def register(
        self,
        name: str,
        function: PlanFunction,
        *,
        every: str,
        tz: str,
        retry_after: Sequence[str],
        at_end: str,
        catch_up: str,
    ) -> None:
        """Check the plan's terms and keep it.

        :raises ConfigurationError: for terms that can't be used, or a name that another
            function has.
        """
        known = self._plans.get(name)
        if known is not None and not _is_same(known.function, function):
            raise ConfigurationError(
                f"Two plans are called {name!r}. Give the second one another name."
            )
        self._plans[name] = Plan(
            name=_checked_name(name),
            every=Interval.parse(every, name="every"),
            zone=_zone(tz),
            retry_after=_retries(retry_after),
            at_end=_one_of(at_end, get_args(AtEnd), "at_end"),
            catch_up=_one_of(catch_up, get_args(CatchUp), "catch_up"),
            function=function,
            takes_period=_takes_period(name, function),
        )


def _is_same(one: PlanFunction, other: PlanFunction) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _checked_name(name: Any) -> str:
    is_name = isinstance(name, str) and name.isprintable() and name == name.strip()
    if not is_name or not 0 < len(name) <= _LONGEST_NAME:
        raise ConfigurationError(
            f"A plan's name has 1 to {_LONGEST_NAME} printable characters and no space around "
            f"them, unlike {name!r:.80}."
        )
    return str(name)


def _zone(tz: str) -> ZoneInfo:
    try:
        return ZoneInfo(tz)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ConfigurationError(
            f"tz={tz!r:.60} is not a time zone. Write an IANA name such as "
            '"Asia/Dubai" or "UTC"; on a system without zones run pip install tzdata.'
        ) from None


def _retries(retry_after: Any) -> tuple[Interval, ...]:
    if isinstance(retry_after, str) or not isinstance(retry_after, Sequence):
        raise ConfigurationError(
            f"retry_after={retry_after!r:.60} is not a sequence of intervals, such as "
            '("1 day", "3 days", "5 days").'
        )
    return tuple(Interval.parse(one, name="retry_after", hours=True) for one in retry_after)


def _one_of(value: Any, allowed: tuple[str, ...], name: str) -> Any:
    if value not in allowed:
        listed = ", ".join(f'"{one}"' for one in allowed)
        raise ConfigurationError(f"{name}={value!r:.40} is none of {listed}.")
    return value


def _takes_period(name: str, function: PlanFunction) -> bool:
    """Whether the function takes the period too.

    :raises ConfigurationError: if it can be called with neither one nor two arguments.
    """
    signature = inspect.signature(function)
    for arguments in ((None, None), (None,)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return len(arguments) == 2
    raise ConfigurationError(
        f"The plan {name!r} must be a function of the subscription and the period, or of the "
        "subscription alone."
    )
