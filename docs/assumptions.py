"""Write the table of ``assumptions.md`` from ``ApiProfile``: run it after a change to that."""

import re
from pathlib import Path

from flask_paysafer import ApiProfile

PAGE = Path(__file__).with_name("assumptions.md")
_TABLE = re.compile(r"(?<=<!-- table -->\n)(.*?)(?=<!-- end -->)", re.DOTALL)


def table() -> str:
    """Return a row for everything that is assumed."""
    rows = ["", "| key of the profile | we assume | what it is |", "|---|---|---|"]
    for key in ApiProfile.keys():  # noqa: SIM118 (no dict)
        value = key.default
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        shown = shown.lower() if isinstance(value, bool) else shown
        rows.append(f"| `{key}` | {f'`{shown}`' if shown else 'none'} | {key.meaning} |")
    return "\n".join([*rows, "", ""])


def page() -> str:
    """Return the page with the table as it has to be."""
    return _TABLE.sub(lambda _: table(), PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
