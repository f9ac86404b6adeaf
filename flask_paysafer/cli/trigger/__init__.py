"""``flask paysafer trigger``: make an event happen, or deliver an example of one.

- ``overrides``: what ``--set`` says
- ``at_sandbox``: let it really happen in the local PaySafer
- ``at_app``: sign it and deliver it straight to the app
- ``speaking``: one POST of JSON, to this machine or a named one
"""

from .command import trigger

__all__ = ["trigger"]
