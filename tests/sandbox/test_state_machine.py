"""Any sequence of calls keeps the books straight, and does what the table says."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from flask_paysafer.sandbox import ApiError, Sandbox
from flask_paysafer.sandbox.payments import FROM

from .conftest import client_of, pay

CARDS = [
    "visa",
    "chargeDeclined",
    "authenticationRequired",
    "createDispute",
    "threeDSecureRequiredChargeDeclined",
    None,
]
AMOUNTS = st.none() | st.integers(1, 20000)
WEEK = 7 * 86400


class Payments(RuleBasedStateMachine):
    """Knows of each payment what its status was, and checks each step against the table."""

    payments = Bundle("payments")

    def __init__(self) -> None:
        super().__init__()
        self.sandbox = Sandbox(clock_rate=0)
        self.client = client_of(self.sandbox, "sk_live_acmeshop1")
        self.refusals: set[str] = set()

    def teardown(self) -> None:
        self.client.close()
        self.sandbox.close()

    def read(self, payment_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get(f"/payments/{payment_id}").json()
        return found

    @rule(
        target=payments,
        card=st.sampled_from(CARDS),
        manual=st.booleans(),
        confirm=st.booleans(),
    )
    def create(self, card: str | None, manual: bool, confirm: bool) -> Any:
        capture_method = "manual" if manual else "automatic"
        answer = pay(self.client, card, capture_method=capture_method, confirm=confirm)
        assert answer.status_code in {200, 402}
        body = answer.json()
        return multiple(body.get("error", {}).get("payment", body)["id"])

    @rule(
        payment_id=payments,
        operation=st.sampled_from(["capture", "cancel", "refund", "confirm"]),
        amount=AMOUNTS,
    )
    def operate(self, payment_id: str, operation: str, amount: int | None) -> None:
        before = self.read(payment_id)
        events = len(self.sandbox.events())
        takes_amount = operation in {"capture", "refund"} and amount is not None
        body: dict[str, Any] = {"amount": amount} if takes_amount else {}
        if operation == "confirm":
            body = {"payment_method": "pm_card_visa"}
        answer = self.client.post(f"/payments/{payment_id}/{operation}", json=body)
        if before["status"] not in FROM[operation]:
            assert answer.json()["error"]["code"] == "payment_unexpected_state"
        if answer.status_code == 200:
            assert answer.json() == self.read(payment_id)
        else:
            assert answer.status_code == 422
            assert self.read(payment_id) == before
            assert len(self.sandbox.events()) == events

    @rule(payment_id=payments, lost=st.booleans())
    def dispute(self, payment_id: str, lost: bool) -> None:
        try:
            self.sandbox.trigger(
                "dispute.resolved",
                account="acmeshop1",
                mode="live",
                payment=payment_id,
                data={"outcome": "lost" if lost else "won"},
            )
        except ApiError as error:
            self.refusals.add(error.code)

    @rule(seconds=st.sampled_from([1, 3600, WEEK]))
    def wait(self, seconds: int) -> None:
        self.sandbox.advance(seconds)
        if seconds == WEEK:
            statuses = {payment["status"] for payment in self.sandbox.objects("payment")}
            assert "requires_capture" not in statuses

    @invariant()
    def books_are_straight(self) -> None:
        for payment in self.sandbox.objects("payment"):
            assert 0 <= payment["amount_refunded"] <= payment["amount_received"]
            assert payment["amount_received"] <= payment["amount"]
            assert (payment["amount_received"] > 0) is (payment["status"] == "succeeded")
            assert ("failure_reason" in payment) is (payment["status"] == "failed")
            assert ("next_action" in payment) is (payment["status"] == "requires_action")

    @invariant()
    def disputes_are_refused_for_a_reason(self) -> None:
        assert self.refusals <= {"payment_unexpected_state", "payment_already_refunded"}

    @invariant()
    def last_event_of_a_settled_payment_shows_it_as_it_is(self) -> None:
        last = {event["data"]["id"]: event["data"] for event in self.sandbox.events()}
        for payment in self.sandbox.objects("payment"):
            if payment["status"] in {"succeeded", "failed"}:
                told = last[payment["id"]]
                assert told == {name: payment[name] for name in told}


TestPayments = Payments.TestCase
TestPayments.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
