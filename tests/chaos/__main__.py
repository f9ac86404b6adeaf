"""The long form: thousands of events, hundreds of kills, and a database that is stopped.

Exits with 1 if anything was lost or doubled. ``--reversed`` runs it against a version
that writes its ledger after the handler, and then expects to find effects doubled.
"""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path

from tests.services import DEFAULTS

from .attack import Attack, Fault, Plan
from .faults import wipe_queue
from .servers import own_postgresql
from .shop import Settings, set_up
from .verdict import Verdict, judge

SETUPS = ("sqlite", "postgresql", "celery")
FAULTS = 6


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("setups", nargs="*", choices=[*SETUPS, []], default=[])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=150)
    parser.add_argument("--reversed", action="store_true", dest="is_reversed")
    return parser.parse_args()


def _run(plan: Plan, settings: Settings, faults: list[Fault]) -> tuple[Attack, Verdict]:
    set_up(settings)
    attack = Attack(plan, settings, faults)
    try:
        attack.run()
        return attack, judge(plan, settings)
    finally:
        attack.end()


def _run_setup(setup: str, options: argparse.Namespace, folder: Path) -> Verdict:
    queue_workers = 3 if setup == "celery" else 0
    plan = Plan(
        options.seed, options.events, options.kills, queue_workers=queue_workers, deadline=3600
    )
    began = time.monotonic()
    if setup == "sqlite":
        settings = Settings(
            f"sqlite:///{folder}/shop.sqlite", str(folder), reversed_ledger=options.is_reversed
        )
        attack, verdict = _run(plan, settings, [])
    else:
        attack, verdict = _run_on_postgresql(setup, plan, options, folder)
    print(
        f"{setup:<11} seed {plan.seed}: {plan.events} events, {attack.deliveries} deliveries, "
        f"{attack.kills} kills, {attack.struck} other faults in {time.monotonic() - began:.0f} s; "
        f"lost {verdict.lost}, doubled {verdict.doubled}, strayed {verdict.strayed}, "
        f"unsettled {verdict.unsettled}, settled {verdict.seconds:.1f} s after the last delivery"
    )
    return verdict


def _run_on_postgresql(
    setup: str, plan: Plan, options: argparse.Namespace, folder: Path
) -> tuple[Attack, Verdict]:
    broker = os.environ.get("PAYSAFER_TEST_REDIS_URL", DEFAULTS["PAYSAFER_TEST_REDIS_URL"])
    with own_postgresql(folder) as server:
        settings = Settings(
            server.url,
            str(folder),
            broker=broker if setup == "celery" else None,
            queue=f"paysafer_chaos_{secrets.token_hex(6)}",
            reversed_ledger=options.is_reversed,
        )
        faults: list[Fault] = [server.crash] * FAULTS
        if setup == "celery":
            faults[::2] = [wipe_queue(settings)] * len(faults[::2])
        return _run(plan, settings, faults)


def main() -> int:
    """Run every set-up that was asked for."""
    options = _arguments()
    logging.disable(logging.CRITICAL)
    os.environ["PAYSAFER_CHAOS_QUIET"] = "1"
    verdicts = []
    for setup in options.setups or SETUPS:
        with tempfile.TemporaryDirectory(prefix="paysafer-chaos-") as folder:
            verdicts.append(_run_setup(setup, options, Path(folder)))
    if options.is_reversed:
        return 0 if all(verdict.doubled for verdict in verdicts) else 1
    return 0 if all(verdict.is_good for verdict in verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
