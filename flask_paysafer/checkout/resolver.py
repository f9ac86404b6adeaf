"""Find out what became of an attempt, and make it end in one charge or none.

The rules:

- An attempt is asked for with one key and one body, whichever worker asks and however often.
- Only an answer that says so closes it. No answer, a server error, "this key is in use": the
  attempt stays ``asked``, and the page says that it is being checked.
- A refusal (4xx) closes it if it was the first answer about it. After an answer was lost, a
  refusal can be about the token that the lost call has used up: then the list of payments is
  read, to the end, before it is believed.
- A customer who would rather start again gets there by *taking the key*: a payment without a
  payment method is created under the attempt's own key. Either that works, and the late
  request, should it ever arrive, finds its key taken; or the key was taken already, and then
  the payment is there to be found.
- Keys live 24 hours. After 23 nothing is asked under one any more: the payment is in the
  list, or it was never made.
- A payment that failed can be confirmed with the publishable key, which everyone has. So it
  is cancelled before another attempt begins; until PaySafer has said that it is, none does.
- PaySafer is asked about an attempt once a second at most. Each time that no answer comes the
  pause doubles, and the process stops asking for pages for a while.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .. import errors
from ..idempotency import idempotency_key
from ..inbox.attempts import Attempt
from .payments import (
    challenge_url,
    consent_of,
    decline_of,
    failure_of,
    is_of,
    money_of,
    refusal_of,
)

if TYPE_CHECKING:
    from ..client import PaySaferClient
    from ..inbox.cards import CardStore
    from ..inbox.checkouts import CheckoutStore
    from ..resources import Payment

logger = logging.getLogger(__name__)

ASK_AGAIN_FOR = 600.0
"""How long after it was begun a lost attempt is asked for again by itself.

Later the customer has most likely gone: a charge should not come out of the blue.
"""

KEY_LIFE = 23 * 3600.0
"""How long a key is relied on by default: an hour less than PaySafer keeps it."""

PAUSE = 1.0
"""Seconds between two questions about one attempt, however many pages wait for it."""

LONGEST_PAUSE = 64.0
"""Seconds between two questions while no answer comes."""

BELIEVED_AFTER = 30.0
"""Seconds that a payment may take to show up in the list."""

READING_TIME = 8.0
"""Seconds that finding out may take: a customer is looking at a page meanwhile."""

PAGE_TIME = 3.0
"""The same where a page is only looked at: a provider that hangs must not hold up the shop."""

CLOCK_SKEW = 3600.0
"""How far PaySafer's clock may differ from ours when payments are looked for."""

KEY_REACH = 24 * 3600.0 + CLOCK_SKEW
"""How far back the payment may be that has taken a key, in a database that was lost since."""

MAX_LISTED = 2000
"""How many payments are looked through for a lost one."""


class Silence:
    """Remembers, for one process, that PaySafer gives no answer: then pages don't ask."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._misses = 0
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        """Whether pages should not ask now."""
        return self._clock() < self._until

    def note(self, *, answered: bool) -> None:
        """Note whether an answer came."""
        if answered:
            self._misses, self._until = 0, 0.0
            return
        self._misses += 1
        self._until = self._clock() + pause_after(self._misses - 1)


def pause_after(misses: int) -> float:
    """Return how long to wait after so many questions without an answer."""
    return float(min(PAUSE * 2 ** min(misses, 10), LONGEST_PAUSE))


class AttemptResolver:
    """Asks PaySafer about attempts and notes what it says."""

    def __init__(
        self,
        client: PaySaferClient,
        store: CheckoutStore,
        *,
        deadline: float,
        cards: CardStore | None = None,
        key_life: float = KEY_LIFE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._store = store
        self._cards = cards
        self._key_life = key_life
        self._silence = Silence(clock)
        self._reading_time = min(READING_TIME, deadline)
        self._page_time = min(PAGE_TIME, deadline)
        self.lease = deadline + 5.0
        """How long a worker may take to ask; after that another one asks."""

    def settle(self, attempt: Attempt, *, early: float = 0.0, page: bool = False) -> Attempt:
        """Return the attempt as it is now.

        :param early: By how many seconds a rest may be cut short.
        :param page: A page is being looked at: it asks for a short time only, and not at all
            while PaySafer gives no answers.
        """
        if attempt.is_over or attempt.is_final or (page and self._silence.lasts):
            return attempt
        held = self._store.hold(attempt, lease=self.lease, early=early)
        if held is None:
            return self.reread(attempt)
        return self._find_out(held, self._page_time if page else self._reading_time)

    def _find_out(self, attempt: Attempt, seconds: float) -> Attempt:
        if attempt.payment_id is not None:
            return self._retrieve(attempt, attempt.payment_id, seconds)
        if attempt.request is not None and attempt.age < self._asked_again_for(attempt.request):
            return self.ask(attempt, is_first=False, deadline=seconds)
        return self._look_for(attempt, seconds)

    def _asked_again_for(self, request: Mapping[str, Any]) -> float:
        """Return for how many seconds a lost attempt is asked for again under its key."""
        # A renewal's customer never waited for the answer: a late charge surprises nobody.
        return self._key_life if request.get("off_session") else ASK_AGAIN_FOR

    def reread(self, attempt: Attempt) -> Attempt:
        """Return the attempt as it is stored now."""
        return self._store.attempt(attempt.reference, attempt.number) or attempt

    def ask(self, attempt: Attempt, *, is_first: bool, deadline: float | None = None) -> Attempt:
        """Ask for the attempt's payment and note the answer.

        :param is_first: It was never asked for before.
        :param deadline: Seconds for the call; the client's own by default.
        """
        limit: dict[str, Any] = {} if deadline is None else {"deadline": deadline}
        try:
            payment = self._client.payments.create(
                **(attempt.request or {}), **limit, idempotency_key=attempt.key
            )
        except errors.CardError as error:
            self._silence.note(answered=True)
            return self._declined(attempt, error)
        except errors.IdempotencyError:
            return self._look_for(attempt, deadline or self._reading_time, reach=KEY_REACH)
        except errors.APIError as error:
            return self._refused(attempt, error, is_first=is_first)
        except errors.APIConnectionError as error:
            return self._wait(attempt, "no answer came", silent=_is_silence(error))
        except (TypeError, ValueError):
            logger.exception("PaySafer's client refused the payment of %s", _name(attempt))
            return self._store.close(attempt, failure="unavailable")
        return self.note(attempt, payment)

    def _declined(self, attempt: Attempt, error: errors.CardError) -> Attempt:
        return self._store.note_payment(
            attempt,
            error.payment_id,
            # Without an id there is no payment that could be confirmed again.
            "failed" if error.payment_id else "declined",
            failure=decline_of(error),
        )

    def _refused(self, attempt: Attempt, error: errors.APIError, *, is_first: bool) -> Attempt:
        if isinstance(error, errors.RateLimitError) or error.outcome != "rejected":
            reason = f"the answer was {error.status} {error.code or ''}".rstrip()
            return self._wait(attempt, reason)
        logger.error(
            "PaySafer refused the payment of %s: %s %s (param %s, request %s)",
            _name(attempt),
            error.status,
            error.code,
            error.param,
            error.request_id,
        )
        if is_first:
            return self._store.close(attempt, failure=refusal_of(error))
        return self._look_for(attempt, self._reading_time, else_close=refusal_of(error))

    def _wait(self, attempt: Attempt, reason: str, *, silent: bool = False) -> Attempt:
        logger.warning("The payment of %s is not decided: %s", _name(attempt), reason)
        if silent:
            self._silence.note(answered=False)
        return self._store.rest(attempt, seconds=pause_after(attempt.misses))

    def note(self, attempt: Attempt, payment: Payment, *, at: float | None = None) -> Attempt:
        """Note the attempt's payment as PaySafer has it now.

        :param at: When it became so, in unix seconds; now by default.
        """
        self._silence.note(answered=True)
        state = self._state_of(attempt, payment, time.time() if at is None else at)
        noted = self._store.note_payment(
            attempt,
            payment.get("id"),
            state,
            failure=failure_of(payment),
            next_url=challenge_url(payment),
            rest=PAUSE,
            about=_told_of(payment),
        )
        if state == "succeeded":
            self._warn_if_paid_twice(attempt)
        if state in {"succeeded", "requires_capture"} and attempt.state != state:
            self._keep_card(attempt, payment)
        if state == "requires_payment_method":
            reason = failure_of(payment) or "card_unusable"
            return self._cancel(noted, str(payment.get("id")), failure=reason)
        return noted

    def _state_of(self, attempt: Attempt, payment: Payment, at: float) -> str:
        state = str(getattr(payment, "status", None))
        if money_of(payment) != attempt.money:
            logger.error(
                "The payment %s of %s is not over the sum that was asked for. "
                "Nothing is fulfilled; look at it in the PaySafer Dashboard.",
                payment.get("id"),
                _name(attempt),
            )
            return "mismatch"
        is_late = attempt.order_expired or (
            attempt.expires_at is not None and at > attempt.expires_at
        )
        # What was held in time may be captured whenever the shop likes.
        if state != "succeeded" or not is_late or attempt.state == "requires_capture":
            return state
        logger.error(
            "The payment %s of %s came after the order had expired. Nothing is fulfilled; give "
            "the money back, or fulfil the order by hand.",
            payment.get("id"),
            _name(attempt),
        )
        return "late"

    def _keep_card(self, attempt: Attempt, payment: Payment) -> None:
        consent, customer = consent_of(payment), payment.get("customer")
        method, details = payment.get("payment_method"), payment.payment_method_details
        card = details.get("card") if isinstance(details, Mapping) else None
        is_kept = isinstance(method, str) and method.startswith("pm_")
        if self._cards is None or not consent or not isinstance(customer, str) or not is_kept:
            return
        told = {"save_card": consent, "reference": attempt.reference, "attempt": attempt.number}
        self._cards.save(customer, str(method), card or {}, consent=told)

    def _warn_if_paid_twice(self, attempt: Attempt) -> None:
        if attempt.number == 1 and attempt.fence <= 1:
            return  # it was the only one when it was asked for
        other = self._store.other_payment(attempt)
        if other is not None:
            logger.error(
                "%s was paid twice, the other time by %s: give one back.", _name(attempt), other
            )

    def _retrieve(self, attempt: Attempt, payment_id: str, seconds: float) -> Attempt:
        try:
            payment = self._client.payments.retrieve(payment_id, deadline=seconds)
        except (errors.APIError, errors.APIConnectionError) as error:
            reason = f"reading it back failed ({type(error).__name__})"
            return self._wait(attempt, reason, silent=_is_silence(error))
        return self.note(attempt, payment)

    def _look_for(
        self,
        attempt: Attempt,
        seconds: float,
        *,
        else_close: str | None = None,
        reach: float = CLOCK_SKEW,
    ) -> Attempt:
        """Look for the attempt's payment in the list.

        :param reach: From how many seconds before the attempt on.
        :param else_close: Why to close the attempt if it surely has none.
        """
        try:
            payment, is_complete = self._listed(attempt, reach, seconds)
        except (errors.APIError, errors.APIConnectionError) as error:
            reason = f"the payments can't be listed ({type(error).__name__})"
            return self._wait(attempt, reason, silent=_is_silence(error))
        if payment is not None:
            return self.note(attempt, payment)
        if is_complete and attempt.age > (BELIEVED_AFTER if else_close else self._key_life):
            return self._store.close(attempt, failure=else_close or "canceled")
        return self._wait(attempt, "there is no such payment yet")

    def _listed(
        self, attempt: Attempt, reach: float, seconds: float
    ) -> tuple[Payment | None, bool]:
        """Return the attempt's payment, and whether the list was read far enough."""
        oldest, ends = int(attempt.begun_at - reach), self._clock() + seconds
        page = self._client.payments.list(limit=100, created={"gte": oldest}, deadline=seconds)
        for count, payment in enumerate(page):
            if is_of(payment, attempt):
                return payment, True
            if count >= MAX_LISTED or self._clock() > ends:  # each page has a deadline of its own
                return None, False
        return None, True

    def abandon(self, attempt: Attempt, *, failure: str) -> Attempt:
        """End an open attempt without a charge, or find that it has paid after all."""
        held = self._store.hold(attempt, lease=self.lease, early=LONGEST_PAUSE)
        if held is None:
            return self.reread(attempt)
        if held.payment_id is not None:
            return self._cancel(held, held.payment_id, failure=held.failure or failure)
        return self._take_key(held, failure=failure)

    def _take_key(self, attempt: Attempt, *, failure: str) -> Attempt:
        if attempt.age > self._key_life:
            return self._look_for(attempt, self._reading_time)
        request = attempt.request or {}
        harmless = {name: request[name] for name in ("amount", "currency", "metadata")}
        try:
            payment = self._client.payments.create(
                **harmless, idempotency_key=attempt.key, deadline=self._reading_time
            )
        except errors.IdempotencyError:
            return self._look_for(attempt, self._reading_time, reach=KEY_REACH)
        except (errors.APIError, errors.APIConnectionError) as error:
            reason = f"its key can't be taken ({type(error).__name__})"
            return self._wait(attempt, reason, silent=_is_silence(error))
        self._store.note_payment_id(attempt, payment.id)
        return self._cancel(attempt, payment.id, failure=failure)

    def _cancel(self, attempt: Attempt, payment_id: str, *, failure: str) -> Attempt:
        key = idempotency_key(attempt.key, "cancel")
        try:
            payment = self._client.payments.cancel(
                payment_id, idempotency_key=key, deadline=self._reading_time
            )
        except errors.APIError as error:
            # It has moved on meanwhile, perhaps to paid: what it is now counts.
            return self._reread_payment(attempt, payment_id, error, failure=failure)
        except errors.APIConnectionError as error:
            reason = "it can't be cancelled: no answer came"
            return self._wait(attempt, reason, silent=_is_silence(error))
        return self._note_end(attempt, payment, failure=failure)

    def _reread_payment(
        self, attempt: Attempt, payment_id: str, refusal: errors.APIError, *, failure: str
    ) -> Attempt:
        try:
            payment = self._client.payments.retrieve(payment_id, deadline=self._reading_time)
        except (errors.APIError, errors.APIConnectionError) as error:
            reason = f"it can't be cancelled ({type(error).__name__})"
            return self._wait(attempt, reason, silent=_is_silence(error))
        is_refused = isinstance(refusal, errors.InvalidRequestError)
        if payment.status == "failed" and is_refused and refusal.outcome == "rejected":
            # PaySafer knows no way on from here, and so none to a charge.
            return self._store.note_payment(attempt, payment_id, "declined", failure=failure)
        return self._note_end(attempt, payment, failure=failure)

    def _note_end(self, attempt: Attempt, payment: Payment, *, failure: str) -> Attempt:
        if payment.status == "canceled":
            return self._store.note_payment(attempt, payment.id, "canceled", failure=failure)
        if payment.status in {"requires_payment_method", "failed"}:
            return self._wait(attempt, "it can't be cancelled yet")
        return self.note(attempt, payment)


def _told_of(payment: Payment) -> dict[str, object]:
    names = ("amount_received", "amount_refunded", "customer", "payment_method")
    return {name: payment[name] for name in names if payment.get(name) is not None}


def _is_silence(error: Exception) -> bool:
    # A refused connection costs no time; one that hangs holds a worker up.
    return isinstance(error, errors.APITimeoutError)


def _name(attempt: Attempt) -> str:
    return f"order {attempt.reference!r}, attempt {attempt.number}"
