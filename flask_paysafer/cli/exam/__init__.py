"""``flask paysafer exam URL``: send a running shop what a provider and an attacker would.

- ``speaking``: raw HTTP, one request a connection
- ``events``: the bodies that are sent, which handlers can recognise
- ``examiner``: signs and delivers for the cases
- ``cases``: what is sent, and which answer is right
- ``causes``: from a wrong answer to its likely cause and cure
- ``clearing``: nothing of it stays in the inbox
- ``report``: the table and the JSON
"""

from .command import exam

__all__ = ["exam"]
