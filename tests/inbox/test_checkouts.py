"""The checkout's rows: who may ask for a payment, on every database."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import select, update

from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.attempts import Attempt
from flask_paysafer.inbox.checkouts import CheckoutStore
from flask_paysafer.inbox.database import now_ms
from flask_paysafer.inbox.encryption import Seal
from flask_paysafer.money import Money
from tests.checkout.attempts import an_attempt
from tests.inbox.conftest import MakeInbox

MakeStore = Callable[..., CheckoutStore]


@pytest.fixture
def make_store(make_inbox: MakeInbox) -> MakeStore:
    """Open stores of one account, each as another worker has it."""

    def make(**options: Any) -> CheckoutStore:
        inbox = make_inbox()
        options.setdefault("account", inbox.account)
        return CheckoutStore(inbox.database, **options)

    return make


@pytest.fixture
def store(make_store: MakeStore) -> CheckoutStore:
    store = make_store()
    store.shop_of("1234", default="5h0p")
    return store


def close(store: CheckoutStore, attempt: Attempt) -> None:
    store.close(attempt, failure="unavailable")


def test_keeps_an_attempt_word_for_word(store: CheckoutStore) -> None:
    begun = an_attempt(request={"amount": 15000, "description": "قهوة", "metadata": {"b": "1"}})
    assert store.begin(begun, lease=30)
    kept = store.current("1234")
    assert kept is not None
    assert kept.request == begun.request
    assert list(kept.request or {}) == list(begun.request or {})
    assert (kept.key, kept.money, kept.state) == (begun.key, Money(15000, "aed"), "asked")
    assert 0 <= kept.age < 30
    assert kept.begun_at > 1_700_000_000


def test_an_order_that_was_never_tried_has_no_attempt(store: CheckoutStore) -> None:
    assert store.current("1234") is None


def test_an_orders_shop_stays_the_first_one(store: CheckoutStore) -> None:
    assert store.shop_of("1234", default="other") == "5h0p"


def test_references_are_compared_letter_by_letter(store: CheckoutStore) -> None:
    store.shop_of("a", default="lower")
    assert store.shop_of("A", default="upper") == "upper"


def test_accounts_share_nothing(store: CheckoutStore, make_store: MakeStore) -> None:
    assert store.begin(an_attempt(), lease=30)
    assert make_store(account="another").current("1234") is None


def test_no_second_attempt_while_one_is_open(store: CheckoutStore) -> None:
    assert store.begin(an_attempt(1), lease=30)
    assert not store.begin(an_attempt(1), lease=30)
    assert not store.begin(an_attempt(2), lease=30)


@pytest.mark.parametrize(
    "state", ["requires_action", "requires_confirmation", "processing", "requires_capture"]
)
def test_no_second_attempt_beside_a_payment_under_way(store: CheckoutStore, state: str) -> None:
    store.begin(an_attempt(1), lease=30)
    store.note_payment(an_attempt(1), "pay_1", state)
    assert not store.begin(an_attempt(2), lease=30)


def test_a_second_attempt_after_the_first_came_to_nothing(store: CheckoutStore) -> None:
    store.begin(an_attempt(1), lease=30)
    close(store, an_attempt(1))
    assert store.begin(an_attempt(2), lease=30)
    current = store.current("1234")
    assert current is not None
    assert current.number == 2


def test_no_attempt_after_one_that_paid_late(store: CheckoutStore) -> None:
    """A payment that had failed can be confirmed after all."""
    store.begin(an_attempt(1), lease=30)
    store.note_payment(an_attempt(1), "pay_1", "failed")
    store.note_payment(an_attempt(1), "pay_1", "succeeded")
    assert not store.begin(an_attempt(2), lease=30)


def test_the_attempt_that_paid_is_the_one_that_counts(store: CheckoutStore) -> None:
    store.begin(an_attempt(1), lease=30)
    store.note_payment(an_attempt(1), "pay_1", "failed")
    store.begin(an_attempt(2), lease=30)
    store.note_payment(an_attempt(1), "pay_1", "succeeded")
    current = store.current("1234")
    assert current is not None
    assert current.number == 1
    assert store.other_payment(an_attempt(2)) == "pay_1"
    assert store.other_payment(an_attempt(1)) is None


@pytest.mark.parametrize("later", ["failed", "canceled", "processing"])
def test_nothing_undoes_a_payment(store: CheckoutStore, later: str) -> None:
    store.begin(an_attempt(), lease=30)
    store.note_payment(an_attempt(), "pay_1", "succeeded")
    store.note_payment(an_attempt(), "pay_1", later)
    close(store, an_attempt())
    paid = store.current("1234")
    assert paid is not None
    assert paid.state == "succeeded"


def test_a_known_payment_is_not_closed_as_never_made(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    store.note_payment(an_attempt(), "pay_1", "processing")
    close(store, an_attempt())
    attempt = store.current("1234")
    assert attempt is not None
    assert attempt.state == "processing"


def test_drops_the_words_of_the_call_once_its_answer_is_known(store: CheckoutStore) -> None:
    """They can hold an e-mail address."""
    store.begin(an_attempt(), lease=30)
    store.note_payment(an_attempt(), "pay_1", "requires_action", next_url="https://bank.example/")
    attempt = store.current("1234")
    assert attempt is not None
    assert attempt.request is None
    assert attempt.next_url == "https://bank.example/"


def test_one_worker_asks_at_a_time(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    assert not store.hold(an_attempt(), lease=30)
    store.rest(an_attempt(), seconds=0)
    assert store.hold(an_attempt(), lease=30)
    assert not store.hold(an_attempt(), lease=30)


def test_a_rest_can_be_cut_short_and_a_lease_cannot(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    assert not store.hold(an_attempt(), lease=30, early=2)
    store.rest(an_attempt(), seconds=1)
    assert not store.hold(an_attempt(), lease=30)
    assert store.hold(an_attempt(), lease=30, early=2)


def test_a_dead_workers_attempt_is_taken_over(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    let_time_pass(store, seconds=31)
    assert store.hold(an_attempt(), lease=30)


def let_time_pass(store: CheckoutStore, *, seconds: float) -> None:
    """Move the rows back instead of waiting."""
    table = store._attempts
    with store._database.transaction() as connection:
        connection.execute(
            update(table)
            .where(table.c.account == store._account)
            .values(
                begun_at=table.c.begun_at - int(seconds * 1000),
                due_at=table.c.due_at - int(seconds * 1000),
                held_until=table.c.held_until - int(seconds * 1000),
            )
        )


def test_a_worker_that_was_held_up_cannot_overrule_the_next(store: CheckoutStore) -> None:
    slow = an_attempt()
    store.begin(slow, lease=0)
    quick = store.hold(slow, lease=30)
    assert quick is not None
    close(store, slow)
    store.note_payment(slow, "pay_1", "failed")
    store.rest(slow, seconds=0)
    attempt = store.current("1234")
    assert attempt is not None
    assert attempt.state == "asked"
    assert store.hold(attempt, lease=30) is None
    close(store, quick)
    closed = store.current("1234")
    assert closed is not None
    assert closed.is_closed


def test_whoever_knows_that_it_is_paid_may_say_so(store: CheckoutStore) -> None:
    slow = an_attempt()
    store.begin(slow, lease=0)
    assert store.hold(slow, lease=30) is not None
    store.note_payment(slow, "pay_1", "succeeded")
    attempt = store.current("1234")
    assert attempt is not None
    assert attempt.state == "succeeded"


def test_knows_how_old_an_attempt_is(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    let_time_pass(store, seconds=3600)
    attempt = store.current("1234")
    assert attempt is not None
    assert 3600 <= attempt.age < 3700


def test_the_first_payment_that_is_told_of_stays(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    store.note_payment_id(an_attempt(), "pay_1")
    store.note_payment_id(an_attempt(), "pay_2")
    attempt = store.current("1234")
    assert attempt is not None
    assert attempt.payment_id == "pay_1"
    assert store.hold(an_attempt(), lease=30)


def test_encrypts_the_words_of_the_call(make_store: MakeStore) -> None:
    key = Fernet.generate_key().decode()
    store = make_store(seal=Seal([key]))
    store.shop_of("1234", default="5h0p")
    begun = an_attempt(request={"receipt_email": "customer@example.com"})
    store.begin(begun, lease=30)
    with store._database.connected() as connection:
        stored = connection.execute(
            select(store._attempts.c.request).where(store._attempts.c.account == store._account)
        ).scalar_one()
    assert b"customer@example.com" not in stored
    read = store.current("1234")
    assert read is not None
    assert read.request == begun.request


def test_an_attempt_that_no_key_opens_is_unavailable_and_names_the_cure(
    make_store: MakeStore,
) -> None:
    former, present = (Seal([Fernet.generate_key().decode()]) for _ in range(2))
    store = make_store(seal=former)
    store.shop_of("1234", default="5h0p")
    store.begin(an_attempt(), lease=30)
    store._seal = present
    with pytest.raises(InboxUnavailableError, match="Put the former key back"):
        store.current("1234")


def test_of_many_workers_at_once_one_begins(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(6)]
    start = threading.Barrier(len(stores))
    begun: list[bool] = []

    def work(store: CheckoutStore) -> None:
        start.wait()
        store.shop_of("1234", default="5h0p")
        begun.append(store.begin(an_attempt(), lease=30))

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(begun) == [False] * 5 + [True]


def test_of_many_workers_at_once_one_takes_over(make_store: MakeStore) -> None:
    stores = [make_store() for _ in range(6)]
    stores[0].shop_of("1234", default="5h0p")
    stores[0].begin(an_attempt(), lease=0)
    start = threading.Barrier(len(stores))
    held: list[bool] = []

    def work(store: CheckoutStore) -> None:
        start.wait()
        held.append(store.hold(an_attempt(), lease=30) is not None)

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(held) == [False] * 5 + [True]


def test_the_databases_clock_is_used(store: CheckoutStore) -> None:
    store.begin(an_attempt(), lease=30)
    with store._database.connected() as connection:
        now = connection.execute(select(now_ms())).scalar_one()
    attempt = store.current("1234")
    assert attempt is not None
    assert abs(attempt.begun_at - now / 1000) < 60


def test_many_customers_at_once_all_begin(make_store: MakeStore) -> None:
    """On MariaDB the locks of one customer's row reach to the next."""
    stores = [make_store() for _ in range(8)]
    start = threading.Barrier(len(stores))
    begun: list[bool] = []

    def work(store: CheckoutStore, worker: int) -> None:
        start.wait()
        for order in range(10):
            attempt = an_attempt(reference=f"order-{order:02}-{worker}")
            store.shop_of(attempt.reference, default="5h0p")
            begun.append(store.begin(attempt, lease=30))

    threads = [
        threading.Thread(target=work, args=(store, worker)) for worker, store in enumerate(stores)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert begun == [True] * 80


def test_open_attempt_reads_with_the_new_key_alone_after_reencrypt(make_inbox: MakeInbox) -> None:
    """Without what was asked for a lost answer can't be asked for again."""
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()

    def store_with(*keys: str) -> CheckoutStore:
        inbox = make_inbox()
        return CheckoutStore(inbox.database, account=inbox.account, seal=Seal(keys))

    store_with(old).shop_of("1234", default="5h0p")
    attempt = an_attempt()
    store_with(old).begin(attempt, lease=30)

    assert list(make_inbox(seal=Seal([new])).upkeep.reencrypt()) == [False]
    assert list(make_inbox(seal=Seal([new, old])).upkeep.reencrypt()) == [True]

    kept = store_with(new).current("1234")
    assert kept is not None
    assert kept.request == attempt.request
