"""What is kept of a command that ended: its exit status and its output, whatever its bytes are."""

from __future__ import annotations

import base64
import os
import sys
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_serializer

from exec_tracker.cli.output import say

__all__ = ["CommandOutcome", "KeptOutput", "argument_json", "argument_text"]


class KeptOutput(BaseModel):
    """The beginning of one stream: as text where it is UTF-8 without NUL, else as base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str | None = None
    base64: str | None = None
    total_bytes: int
    """How much the command wrote; more than was kept where the output was cut."""

    @classmethod
    def of(cls, kept: bytes, total_bytes: int) -> Self:
        """Choose the form that brings these very bytes back."""
        try:
            text = kept.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            return cls(base64=base64.b64encode(kept).decode(), total_bytes=total_bytes)
        return cls(text=text, total_bytes=total_bytes)

    @property
    def content(self) -> bytes:
        """The bytes that were kept."""
        if self.base64 is not None:
            return base64.b64decode(self.base64)
        return (self.text or "").encode()

    @model_serializer
    def _only_the_form_taken(self) -> dict[str, Any]:
        form = ("text", self.text) if self.base64 is None else ("base64", self.base64)
        return {form[0]: form[1], "total_bytes": self.total_bytes}


class CommandOutcome(BaseModel):
    """The stored result of a command that ran to its end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exit_status: int
    stdout: KeptOutput
    stderr: KeptOutput

    @classmethod
    def read(cls, stored: Any) -> CommandOutcome | None:
        """Return the stored result, or None where it was written by something else."""
        try:
            return cls.model_validate(stored)
        except ValidationError:
            return None

    def replay(self) -> int:
        """Print the output as the command did, and return its exit status."""
        for name, kept, stream in (
            ("stdout", self.stdout, sys.stdout),
            ("stderr", self.stderr, sys.stderr),
        ):
            content = kept.content
            if stream is not None:  # None where it was closed before we started
                stream.buffer.write(content)
                stream.flush()
            if kept.total_bytes > len(content):
                say(
                    f"of {kept.total_bytes:,} bytes on {name} the first {len(content):,} were "
                    "kept; --max-output sets how many are"
                )
        return self.exit_status


def argument_json(argument: str) -> str | dict[str, str]:
    """Return an argument as JSON, also where its bytes are not UTF-8."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return {"base64": base64.b64encode(os.fsencode(argument)).decode()}
    return argument


def argument_text(stored: str | dict[str, str]) -> str:
    """Return an argument as it was given."""
    if isinstance(stored, str):
        return stored
    return os.fsdecode(base64.b64decode(stored["base64"]))
