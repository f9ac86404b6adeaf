"""Find out what became of an attempt, and make it end in one charge or none.

The rules:

- An attempt is asked for with one key and one body, whoever asks and however often.
- Only an answer that says so closes it. No answer, a server error, "this key is in
  use": the attempt stays ``asked``, and the page says that it is being checked.
- A refusal (4xx) closes it if it was the first word about it. After an answer was
  lost, a refusal can be about the token that the lost call has used up: then the
  list of payments is read, to the end, before it is believed.
- A customer who would rather start again gets there by *taking the key*: a payment
  without a payment method is created under the attempt's own key. Either that
  works, and the late request, should it ever arrive, finds its key taken; or the
  key was taken already, and then the payment is there to be found.
- Keys live 24 hours. After 23 nothing is asked under one any more: the payment is
  in the list, or it was never made.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import errors
from ..idempotency import idempotency_key
from ..inbox.attempts import Attempt
from .payments import challenge_url, decline_of, failure_of, is_of, money_of, refusal_of

if TYPE_CHECKING:
    from ..client import PaySaferClient
    from ..inbox.checkouts import CheckoutStore
    from ..resources import Payment

logger = logging.getLogger(__name__)

ASK_AGAIN_FOR = 600.0
"""How long after it was begun a lost attempt is asked for again without being told to.

Later the customer has most likely gone: a charge should not come out of the blue.
"""

KEY_LIFE = 23 * 3600.0
"""How long a key is relied on: an hour less than PaySafer keeps it."""

PAUSE = 1.0
"""Seconds between two questions about one attempt, however many pages wait for it."""

BELIEVED_AFTER = 30.0
"""Seconds that a payment may take to show up in the list."""

READING_TIME = 8.0
"""Seconds that reading back may take: a customer is looking at a page meanwhile."""

CLOCK_SKEW = 3600.0
"""How far PaySafer's clock may differ from ours when payments are looked for."""

KEY_REACH = 24 * 3600.0 + CLOCK_SKEW
"""How far back the payment may be that has taken a key, in a database that was lost since."""

MAX_LISTED = 2000
"""How many payments are looked through for a lost one."""


class AttemptResolver:
    """Asks PaySafer about attempts and notes what it says."""

    def __init__(
        self,
        client: PaySaferClient,
        store: CheckoutStore,
        *,
        deadline: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._clock = clock
        self._store = store
        self._reading_time = min(READING_TIME, deadline)
        self.lease = deadline + 5.0
        """How long a worker may take to ask; after that another one asks."""

    def settle(self, attempt: Attempt, *, early: float = 0.0) -> Attempt:
        """Return the attempt as it is now.

        :param early: By how many seconds a rest may be cut short. A lease is longer:
            where another worker is asking, its answer is waited for.
        """
        if attempt.is_final:
            return attempt
        held = self._store.hold(attempt, lease=self.lease, early=early)
        if held is not None:
            self._find_out(held)
        return self.reread(attempt)

    def _find_out(self, attempt: Attempt) -> None:
        if attempt.payment_id is not None:
            self._retrieve(attempt, attempt.payment_id)
        elif attempt.age < ASK_AGAIN_FOR and attempt.request is not None:
            self.ask(attempt, is_first=False)
        else:
            self._look_for(attempt)

    def reread(self, attempt: Attempt) -> Attempt:
        """Return the attempt as it is stored now."""
        return self._store.attempt(attempt.reference, attempt.number) or attempt

    def ask(self, attempt: Attempt, *, is_first: bool) -> None:
        """Ask for the attempt's payment and note the answer.

        :param is_first: Nobody has asked for it before.
        """
        try:
            payment = self._client.payments.create(
                **(attempt.request or {}), idempotency_key=attempt.key
            )
        except errors.CardError as error:
            self._declined(attempt, error)
        except errors.IdempotencyError:
            self._look_for(attempt, reach=KEY_REACH)
        except errors.APIError as error:
            self._refused(attempt, error, is_first=is_first)
        except errors.APIConnectionError:
            self._wait(attempt, "no answer came")
        except (TypeError, ValueError):
            logger.exception("PaySafer's client refused the payment of %s", _name(attempt))
            self._store.close(attempt, failure="unavailable")
        else:
            self.note(attempt, payment)

    def _declined(self, attempt: Attempt, error: errors.CardError) -> None:
        self._store.note_payment(attempt, error.payment_id, "failed", failure=decline_of(error))

    def _refused(self, attempt: Attempt, error: errors.APIError, *, is_first: bool) -> None:
        if isinstance(error, errors.RateLimitError) or error.outcome != "rejected":
            self._wait(attempt, f"the answer was {error.status} {error.code or ''}".rstrip())
            return
        logger.error(
            "PaySafer refused the payment of %s: %s %s (param %s, request %s)",
            _name(attempt),
            error.status,
            error.code,
            error.param,
            error.request_id,
        )
        if is_first:
            self._store.close(attempt, failure=refusal_of(error))
        else:
            self._look_for(attempt, else_close=refusal_of(error))

    def _wait(self, attempt: Attempt, reason: str) -> None:
        logger.warning("The payment of %s is not decided: %s", _name(attempt), reason)
        self._store.rest(attempt, seconds=PAUSE)

    def note(self, attempt: Attempt, payment: Payment) -> None:
        """Note the attempt's payment as PaySafer has it now."""
        state = str(getattr(payment, "status", None))
        if money_of(payment) != attempt.money:
            state = "mismatch"
            logger.error(
                "The payment %s of %s is not over the sum that was asked for. "
                "Nothing is fulfilled; look at it in the PaySafer Dashboard.",
                payment.get("id"),
                _name(attempt),
            )
        self._store.note_payment(
            attempt,
            payment.get("id"),
            state,
            failure=failure_of(payment),
            next_url=challenge_url(payment),
            rest=PAUSE,
        )
        if state == "succeeded":
            self._warn_if_paid_twice(attempt)
        elif state == "requires_payment_method":
            reason = failure_of(payment) or "card_unusable"
            self._cancel(attempt, str(payment.get("id")), failure=reason)

    def _warn_if_paid_twice(self, attempt: Attempt) -> None:
        other = self._store.other_payment(attempt)
        if other is not None:
            logger.error(
                "%s was paid twice, the other time by %s: give one back.", _name(attempt), other
            )

    def _retrieve(self, attempt: Attempt, payment_id: str) -> None:
        try:
            payment = self._client.payments.retrieve(payment_id, deadline=self._reading_time)
        except (errors.APIError, errors.APIConnectionError) as error:
            self._wait(attempt, f"reading it back failed ({type(error).__name__})")
        else:
            self.note(attempt, payment)

    def _look_for(
        self, attempt: Attempt, *, else_close: str | None = None, reach: float = CLOCK_SKEW
    ) -> None:
        """Look for the attempt's payment in the list.

        :param reach: From how many seconds before the attempt on.
        :param else_close: Why to close the attempt if it surely has none.
        """
        try:
            payment, is_complete = self._listed(attempt, reach)
        except (errors.APIError, errors.APIConnectionError) as error:
            self._wait(attempt, f"the payments can't be listed ({type(error).__name__})")
            return
        if payment is not None:
            self.note(attempt, payment)
        elif is_complete and attempt.age > (BELIEVED_AFTER if else_close else KEY_LIFE):
            self._store.close(attempt, failure=else_close or "canceled")
        else:
            self._wait(attempt, "there is no such payment yet")

    def _listed(self, attempt: Attempt, reach: float) -> tuple[Payment | None, bool]:
        """Return the attempt's payment, and whether the list was read far enough."""
        oldest, ends = int(attempt.begun_at - reach), self._clock() + self._reading_time
        page = self._client.payments.list(
            limit=100, created={"gte": oldest}, deadline=self._reading_time
        )
        for count, payment in enumerate(page):
            if is_of(payment, attempt):
                return payment, True
            if count >= MAX_LISTED or self._clock() > ends:  # each page has a deadline of its own
                return None, False
        return None, True

    def abandon(self, attempt: Attempt, *, failure: str) -> Attempt:
        """End an open attempt without a charge, or find that it has paid after all."""
        held = self._store.hold(attempt, lease=self.lease, early=PAUSE)
        if held is None:
            return self.reread(attempt)
        if held.payment_id is not None:
            self._cancel(held, held.payment_id, failure=failure)
        else:
            self._take_key(held, failure=failure)
        return self.reread(attempt)

    def _take_key(self, attempt: Attempt, *, failure: str) -> None:
        if attempt.age > KEY_LIFE:
            self._look_for(attempt)
            return
        request = attempt.request or {}
        harmless = {name: request[name] for name in ("amount", "currency", "metadata")}
        try:
            payment = self._client.payments.create(**harmless, idempotency_key=attempt.key)
        except errors.IdempotencyError:
            self._look_for(attempt, reach=KEY_REACH)
        except (errors.APIError, errors.APIConnectionError) as error:
            self._wait(attempt, f"its key can't be taken ({type(error).__name__})")
        else:
            self._store.note_payment_id(attempt, payment.id)
            self._cancel(attempt, payment.id, failure=failure)

    def _cancel(self, attempt: Attempt, payment_id: str, *, failure: str) -> None:
        key = idempotency_key(attempt.key, "cancel")
        try:
            payment = self._client.payments.cancel(payment_id, idempotency_key=key)
        except errors.APIError:
            # It has moved on meanwhile, perhaps to paid: what it is now counts.
            self._reread_payment(attempt, payment_id, failure=failure)
        except errors.APIConnectionError:
            self._wait(attempt, "it can't be cancelled: no answer came")
        else:
            self._note_end(attempt, payment, failure=failure)

    def _reread_payment(self, attempt: Attempt, payment_id: str, *, failure: str) -> None:
        try:
            payment = self._client.payments.retrieve(payment_id, deadline=self._reading_time)
        except (errors.APIError, errors.APIConnectionError) as error:
            self._wait(attempt, f"it can't be cancelled ({type(error).__name__})")
        else:
            self._note_end(attempt, payment, failure=failure)

    def _note_end(self, attempt: Attempt, payment: Payment, *, failure: str) -> None:
        if payment.status == "canceled":
            self._store.note_payment(attempt, payment.id, "canceled", failure=failure)
        elif payment.status == "requires_payment_method":
            self._wait(attempt, "it can't be cancelled yet")
        else:
            self.note(attempt, payment)


def _name(attempt: Attempt) -> str:
    return f"order {attempt.reference!r}, attempt {attempt.number}"
