"""A program that warms a client up, forks, and calls from all children at once.

``python -m tests.client.forking BASE_URL CHILDREN CALLS`` prints, for each child, how
many calls got the object they asked for, or the name of the error that ended it.
"""

from __future__ import annotations

import os
import sys

from flask_paysafer.client import PaySaferClient


def _call(client: PaySaferClient, child: int, calls: int) -> str:
    try:
        for number in range(calls):
            wanted = f"pay_{child}_{number}"
            if client.payments.retrieve(wanted)["id"] != wanted:
                return "wrong object"
    except Exception as error:  # noqa: BLE001 (whatever ends a child is reported)
        return repr(error)
    return str(calls)


def _fork(client: PaySaferClient, child: int, calls: int) -> tuple[int, int]:
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, _call(client, child, calls).encode())
        os._exit(0)
    os.close(writer)
    return pid, reader


def main(base_url: str, children: int, calls: int) -> None:
    client = PaySaferClient("sk_test_acmeshop1", base_url=base_url, max_retries=0)
    for number in range(3):
        client.payments.retrieve(f"pay_warm_{number}")
    running = [_fork(client, child, calls) for child in range(children)]
    for pid, reader in running:
        with os.fdopen(reader) as results:
            print(results.read())
        os.waitpid(pid, 0)
    print(_call(client, children, calls))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
