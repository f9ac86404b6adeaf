"""Show each parameter of the API client's calls, which the code states once, as types.

``create(**params: Unpack[CreatePayment])`` is shown as ``create(*, amount, currency, …)``,
and every field of ``CreatePayment`` as a parameter, with its type and its text.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_type_hints

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer

import flask_paysafer
from flask_paysafer import params

UNPACKED = re.compile(r"Unpack\[(\w+)\]")

RETURNED_ONLY = ("client.services.", "pagination.", "resources.", "flask_paysafer.Page")
"""Classes whose objects are returned, never made by hand: their constructors are not shown."""

AS_TEXT = {
    "CheckT",
    "GateT",
    "HandlerT",
    "Hook",
    "LoaderT",
    "PlanT",
    "Reading",
    "Sender",
    "SignWith",
    "T",
    "Tables",
    "TransportT",
}
"""Type variables, aliases that the text beside them spells out, and what is of no use to callers."""

Field = tuple[str, str, str, bool]
"""Name, type, text, and whether it is required."""


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("autodoc-process-signature", show_parameters)
    app.connect("autodoc-process-docstring", describe_parameters)
    app.connect("missing-reference", find_or_leave)
    leave_out_checks()
    return {"parallel_read_safe": True}


def show_parameters(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, args: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    if what == "class" and any(part in name for part in RETURNED_ONLY):
        return None, None
    if not (kind := _parameters_of(what, obj)):
        return None
    required = [field for field, _, _, is_required in fields(kind) if is_required]
    optional = [f"{field}=None" for field, _, _, is_required in fields(kind) if not is_required]
    named = ["*", *required, *optional] if required or optional else []
    own = (args or "()").strip("()").split(", ")
    before = [one for one in own if one and not one.startswith("**")]
    if "*" in before:
        named = named[1:]
    return f"({', '.join([*before, *named, '**options'])})", returns


def describe_parameters(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    if not (kind := _parameters_of(what, obj)):
        return
    described: list[str] = []
    for field, type_, text, _ in fields(kind):
        described += [f":param {field}: {text}", f":type {field}: {type_}"]
    described.append(":param options: See :class:`~flask_paysafer.params.CallOptions`.")
    at = next((i for i, line in enumerate(lines) if line.startswith(":")), len(lines))
    lines[at:at] = ["", *described] if at == len(lines) else described
    lines.append("")


def _parameters_of(what: str, obj: Any) -> str | None:
    if what not in {"method", "function"} or not inspect.isroutine(obj):
        return None
    annotations = getattr(obj, "__annotations__", {}).values()
    found = [match[1] for each in annotations if (match := UNPACKED.search(str(each)))]
    return found[0] if found else None


@cache
def fields(kind: str) -> list[Field]:
    """Return the fields of a TypedDict of ``flask_paysafer.params``, without the call's options."""
    if kind == "CallOptions":
        return []
    return list(_fields(kind))


def _fields(kind: str) -> Iterator[Field]:
    cls = getattr(params, kind)
    texts = ModuleAnalyzer.for_module(params.__name__).find_attr_docs()
    for field, annotation in get_type_hints(cls).items():
        if field in get_type_hints(params.CallOptions):
            continue
        owner = next(base for base in _family(kind) if (base, field) in texts)
        text = " ".join(texts[owner, field]).strip()
        yield field, _written(annotation), text, field in cls.__required_keys__


def _family(kind: str) -> list[str]:
    return [kind, *(name for name in params.__all__ if name != kind)]


def _written(annotation: Any) -> str:
    text = inspect.formatannotation(annotation)
    text = re.sub(r"(collections\.abc|typing|datetime|flask_paysafer\.params)\.", "", text)
    return text.replace("NoneType", "None").replace(" | None", "")


def find_or_leave(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Link a public name that is imported from elsewhere, and leave type variables as text."""
    target = str(node.get("reftarget", ""))
    name = target.rpartition(".")[2]
    if name in AS_TEXT:
        return content
    if target != f"flask_paysafer.{name}" and name in flask_paysafer.__all__:
        return env.get_domain("py").resolve_xref(
            env, node["refdoc"], app.builder, "class", f"flask_paysafer.{name}", node, content
        )
    return None


def leave_out_checks() -> None:
    """Let the fields of the parameters have their types alone, without the function that checks."""
    for kind in params.__all__:
        cls = getattr(params, kind)
        cls.__annotations__ = get_type_hints(cls)
