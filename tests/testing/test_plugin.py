import subprocess
import sys

import pytest

from .merchant import PLUGIN, Run

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]


def test_a_test_of_a_handler_is_three_lines(run: Run) -> None:
    run("""
        import shop

        def test_the_order_is_paid(paysafer_deliver):
            paysafer_deliver("payment.completed", amount=5000, metadata={"order_id": "7"})
            assert shop.paid == [("7", 5000)]
    """).assert_outcomes(passed=1)


def test_it_fails_where_the_handler_does_not_do_its_work(run: Run) -> None:
    run("""
        import shop

        def test_the_order_is_paid(paysafer_deliver):
            paysafer_deliver("payment.failed", metadata={"order_id": "7"})
            assert shop.paid == [("7", 15000)]
    """).assert_outcomes(failed=1)


def test_the_real_inbox_takes_an_event_once(run: Run) -> None:
    run("""
        import shop
        from flask_paysafer.testing import payment_completed

        def test_twice(paysafer_deliver):
            event = payment_completed()
            assert paysafer_deliver(event).json == {"received": True}
            assert paysafer_deliver(event).json == {"received": True, "duplicate": True}
            assert len(shop.paid) == 1
    """).assert_outcomes(passed=1)


def test_a_failing_handler_is_answered_as_in_production(run: Run) -> None:
    run("""
        def test_the_answer(paysafer_deliver):
            response = paysafer_deliver("payment.completed", description="break")
            assert response.status_code == 500
    """).assert_outcomes(passed=1)


def test_mappings_and_bytes_are_delivered_as_they_are(run: Run) -> None:
    run("""
        import json
        from flask_paysafer.testing import payment_completed

        def test_forms(paysafer_deliver):
            event = dict(payment_completed(livemode=False))
            assert paysafer_deliver(event).status_code == 200
            payload = json.dumps(event, indent=2).encode()
            assert paysafer_deliver(payload).status_code == 200
            assert paysafer_deliver(b"no json").status_code == 400
    """).assert_outcomes(passed=1)


def test_the_app_may_be_named_in_any_place(run: Run) -> None:
    run("""
        import pytest
        from flask_paysafer.testing import payment_completed

        def test_places(app, paysafer_deliver):
            event = payment_completed()
            assert paysafer_deliver(app, payment_completed()).json == {"received": True}
            assert paysafer_deliver(app, event=event).json == {"received": True}
            assert paysafer_deliver(event, app=app).json["duplicate"]
            assert paysafer_deliver(event=event).json["duplicate"]

        def test_one_event(app, paysafer_deliver):
            for wrong in [(), (app,), (app, app, "payment.failed"), ("payment.failed", b"{}")]:
                with pytest.raises(TypeError, match="one event"):
                    paysafer_deliver(*wrong)
    """).assert_outcomes(passed=2)


def test_refusals_can_be_tested(run: Run) -> None:
    run("""
        import time

        def test_refused(paysafer_deliver):
            late = paysafer_deliver("payment.completed", timestamp=time.time() - 301)
            forged = paysafer_deliver("payment.completed", signature="t=1,v1=" + "0" * 64)
            assert late.text == forged.text == "Invalid signature"
    """).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "settings",
    [
        'PAYSAFER_SIGNATURE_SCHEME="body"',
        'PAYSAFER_URL_PREFIX="/pay/here"',
        'PAYSAFER_WEBHOOK_SECRET="whsec_newer_secret,whsec_older_secret"',
        'PAYSAFER_WEBHOOK_ALLOWED_NETWORKS="203.0.113.0/24"',
        'APPLICATION_ROOT="/shop"',
        'SERVER_NAME="shop.example"',
        "PAYSAFER_WEBHOOK_TOLERANCE=0",
        "PAYSAFER_SECRET_KEY=None",
    ],
)
def test_any_settings_will_do(run: Run, settings: str) -> None:
    run(f"""
        import shop

        def test_taken(paysafer_deliver):
            app = shop.create_app({settings})
            response = paysafer_deliver("payment.completed", app=app)
            assert response.status_code == 200 and "ignored" not in response.text
    """).assert_outcomes(passed=1)


def test_a_scheme_of_ones_own_signs_if_it_can(run: Run) -> None:
    run("""
        import pytest
        import shop
        from flask_paysafer import errors

        class Scheme:
            def verify(self, payload, signature, secrets, *, now, tolerance):
                return 0 if signature == "mine" else -1

        class SigningScheme(Scheme):
            def sign(self, payload, secret, *, timestamp):
                return "mine"

        def test_with_sign(paysafer_deliver):
            app = shop.create_app(PAYSAFER_SIGNATURE_SCHEME=SigningScheme())
            assert paysafer_deliver("payment.completed", app=app).status_code == 200

        def test_without_sign(paysafer_deliver):
            app = shop.create_app(PAYSAFER_SIGNATURE_SCHEME=Scheme())
            with pytest.raises(errors.ConfigurationError, match="Give it a method sign"):
                paysafer_deliver("payment.completed", app=app)
            answer = paysafer_deliver("payment.completed", app=app, signature="mine")
            assert answer.status_code == 200
    """).assert_outcomes(passed=2)


def test_the_account_is_chosen_by_its_name(run: Run) -> None:
    run("""
        import pytest
        import shop
        from flask_paysafer import PaySafer, errors

        europe = PaySafer(name="paysafer_eu")
        paid = []
        europe.on("payment.completed")(lambda event: paid.append(event.id))

        def test_europe(paysafer_deliver, tmp_path):
            app = shop.create_app(
                PAYSAFER_EU_WEBHOOK_SECRET="whsec_europe_europe",
                PAYSAFER_EU_INBOX_URL=f"sqlite:///{tmp_path}/eu.db",
            )
            europe.init_app(app)
            paysafer_deliver("payment.completed", app=app, account="paysafer_eu", event_id="evt_1")
            assert (paid, shop.paid) == (["evt_1"], [])
            with pytest.raises(errors.ConfigurationError, match="it has: paysafer, paysafer_eu"):
                paysafer_deliver("payment.completed", app=app, account="paysafer_us")
    """).assert_outcomes(passed=1)


def test_mistakes_are_named(run: Run) -> None:
    run("""
        import pytest
        import shop
        from flask import Flask
        from flask_paysafer import errors

        def test_unknown_field(paysafer_deliver):
            with pytest.raises(ValueError, match="Did you mean 'data.amount'"):
                paysafer_deliver("payment.completed", amonut=1)

        def test_fields_without_a_type(paysafer_deliver):
            with pytest.raises(TypeError, match="go with an event's type"):
                paysafer_deliver({"id": "evt_1"}, amount=1)

        def test_no_secret(paysafer_deliver):
            app = shop.create_app(PAYSAFER_WEBHOOK_SECRET=None)
            with pytest.raises(errors.ConfigurationError, match="PAYSAFER_WEBHOOK_SECRET is not"):
                paysafer_deliver("payment.completed", app=app)

        def test_no_extension(paysafer_deliver):
            with pytest.raises(errors.ConfigurationError, match="init_app"):
                paysafer_deliver("payment.completed", app=Flask("bare"))
    """).assert_outcomes(passed=4)


def test_a_project_without_an_app_fixture_is_told_the_cure(
    run: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest("")
    result = run("""
        def test_it(paysafer_deliver):
            paysafer_deliver("payment.completed")
    """)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*paysafer_deliver needs the app. Define a fixture called app*"])


def test_an_error_inside_the_app_fixture_is_not_hidden(run: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        @pytest.fixture
        def app(database):
            return None
    """)
    result = run("""
        def test_it(paysafer_deliver):
            paysafer_deliver("payment.completed")
    """)
    result.stdout.fnmatch_lines(["*fixture 'database' not found*"])


def test_the_sandbox_and_the_app_reach_each_other_without_settings(run: Run) -> None:
    run("""
        import shop

        def test_a_purchase(app, paysafer_sandbox):
            paysafer_sandbox.join(app)
            with app.app_context():
                shop.paysafer.client.payments.create(
                    amount=900, currency="aed", payment_method="pm_card_visa",
                    metadata={"order_id": "9"},
                )
            paysafer_sandbox.settle()
            assert shop.paid == [("9", 900)]
    """).assert_outcomes(passed=1)


def test_a_handler_may_call_the_sandbox_back(run: Run) -> None:
    run("""
        import shop

        def test_refresh(app, paysafer_sandbox):
            seen = []
            shop.paysafer.on("payment.failed")(lambda event: seen.append(event.refresh().status))
            paysafer_sandbox.join(app)
            paysafer_sandbox.trigger("payment.failed", account="acmeshop1")
            assert seen == ["failed"]
    """).assert_outcomes(passed=1)


def test_what_is_triggered_has_arrived(run: Run) -> None:
    run("""
        import shop

        def test_a_trigger(app, paysafer_sandbox):
            paysafer_sandbox.join(app)
            data = {"metadata": {"order_id": "3"}}
            paysafer_sandbox.trigger("payment.completed", account="acmeshop1", data=data)
            assert shop.paid == [("3", 15000)]
    """).assert_outcomes(passed=1)


def test_the_clock_moves_through_the_retries(run: Run) -> None:
    run("""
        import shop

        def statuses(sandbox):
            delivery = sandbox.deliveries()[-1]
            return delivery["status"], [one["status_code"] for one in delivery["attempts"]]

        def test_retries(app, paysafer_sandbox, paysafer_clock):
            paysafer_sandbox.join(app)
            started = paysafer_clock.now()
            data = {"description": "break", "metadata": {"order_id": "3"}}
            paysafer_sandbox.trigger("payment.completed", account="acmeshop1", data=data)
            paysafer_clock.to_next_retry()
            assert paysafer_clock.now() == started + 60
            paysafer_clock.advance(minutes=5)
            assert statuses(paysafer_sandbox) == ("pending", [500, 500, 500])
            paysafer_clock.advance(hours=35)
            assert statuses(paysafer_sandbox) == ("failed", [500] * 7)
    """).assert_outcomes(passed=1)


def test_joining_is_refused_where_it_could_not_work(run: Run) -> None:
    run("""
        import pytest
        import shop
        from flask_paysafer import errors

        def test_too_late(app, paysafer_sandbox):
            with app.app_context():
                shop.paysafer.client
            with pytest.raises(errors.ConfigurationError, match="right after the app is made"):
                paysafer_sandbox.join(app)

        def test_a_short_key(paysafer_sandbox):
            app = shop.create_app(PAYSAFER_SECRET_KEY="sk_test_x")
            with pytest.raises(errors.ConfigurationError, match="such as sk_test_acmeshop1"):
                paysafer_sandbox.join(app)
    """).assert_outcomes(passed=2)


def test_webhooks_reach_an_app_that_has_no_key(run: Run) -> None:
    run("""
        import shop

        def test_no_key(tmp_path, paysafer_sandbox):
            app = shop.create_app(PAYSAFER_SECRET_KEY=None)
            paysafer_sandbox.join(app)
            paysafer_sandbox.trigger("customer.created", account="acmeshop1")
            assert {d["status"] for d in paysafer_sandbox.deliveries()} == {"delivered"}
    """).assert_outcomes(passed=1)


def test_the_client_calls_the_sandbox(run: Run) -> None:
    run("""
        def test_client(paysafer_client, paysafer_sandbox):
            payment = paysafer_client.payments.create(amount=100, currency="aed")
            assert paysafer_sandbox.objects("payment")[0]["id"] == payment.id
    """).assert_outcomes(passed=1)


def test_loading_the_kit_loads_nothing_else() -> None:
    """pytest does it in every run of every project of the merchant's."""
    heavy = "flask_paysafer.sandbox flask_paysafer.client sqlalchemy httpx flask werkzeug"
    code = (
        f"import sys, pytest; before = set(sys.modules); import {PLUGIN}\n"
        f"print([name for name in {heavy.split()} if name in sys.modules and name not in before])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
