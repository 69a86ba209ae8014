"""Signatures and docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from typing import Any

__all__ = ["code", "doc", "inline", "readable", "signature"]


def signature(thing: Any, *, method: bool = False) -> str:
    signature = inspect.signature(thing)
    parameters = list(signature.parameters.values())
    if method and parameters and parameters[0].name == "self":
        parameters = parameters[1:]
    returns = "" if inspect.isclass(thing) else signature.return_annotation
    shown = [_parameter(one) for one in parameters]
    kinds = [one.kind for one in parameters]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    arrow = f" -> {_annotation(returns)}" if returns and returns is not signature.empty else ""
    line = f"({', '.join(shown)}){arrow}"
    if len(line) <= 75:  # noqa: PLR2004 # with a name in front it still fits a line
        return line
    body = "".join(f"    {one},\n" for one in shown)
    return f"(\n{body}){arrow}"


def _parameter(one: inspect.Parameter) -> str:
    text = str(one).partition(":")[0].partition("=")[0].strip()
    if one.annotation is not one.empty:
        text += f": {_annotation(one.annotation)}"
    if one.default is not one.empty:
        text += f" = {one.default!r}" if one.annotation is not one.empty else f"={one.default!r}"
    return readable(text)


def _annotation(annotation: Any) -> str:
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "Any")


def readable(text: str) -> str:
    text = re.sub(r"<(\w+)\.(\w+): '[^']*'>", r"\1.\2", text)
    text = re.sub(r"datetime\.timedelta\(0\)", "timedelta(0)", text)
    text = re.sub(r"datetime\.timedelta\(([^()]*)\)", r"timedelta(\1)", text)
    text = re.sub(r"<function (\w+) at 0x[0-9a-f]+>", r"\1", text).replace("<factory>", "{}")
    text = re.sub(r"<object object at 0x[0-9a-f]+>", "<not given>", text)
    text = re.sub(r"RetryPolicy\(.*\)", "RetryPolicy()", text)
    return text.replace("mappingproxy({})", "{}")


def code(text: str) -> str:
    return f"```text\n{text}\n```\n"


def doc(thing: Any) -> str:
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "")
    return re.sub(r"^Raises:\n((?: {4}.*\n?)+)", _raises, text, flags=re.MULTILINE) + "\n"


def _raises(found: re.Match[str]) -> str:
    return "Raises:\n\n" + re.sub(r"^ {4}(\S)", r"- \1", found[1], flags=re.MULTILINE)


def inline(thing: Any) -> str:
    return " ".join(doc(thing).split()).replace("|", "\\|")
