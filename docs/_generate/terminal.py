"""Runs a command in a terminal that nobody sees, and draws what stands in it as SVG."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import termios
from typing import TYPE_CHECKING, Final

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

__all__ = ["drawn", "screens", "typed"]

_WIDTH: Final = 112
_ROWS: Final = 40
# Rich's own pictures ask a server for a font; any fixed-width font will do.
_FORMAT: Final = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
# What moves the cursor; whatever else begins with ESC is colour.
_MOVE: Final = re.compile(r"(\r|\n|\x1b\[\d*[ABJKGH]|\x1b\[\?25[lh])")


def typed(command: Sequence[str], settings: Mapping[str, str]) -> str:
    """Run a command to its end, and return everything that it sent to the terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _WIDTH, 0, 0))
    terminal = {"TERM": "xterm-256color", "COLUMNS": str(_WIDTH)}
    child = subprocess.Popen(  # noqa: S603 # our own program
        command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **terminal, **settings},
    )
    os.close(theirs)
    sent = bytearray()
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:  # how Linux tells that the other end is closed
            read = b""
        if not read:
            break
        sent += read
    os.close(ours)
    child.wait()
    return sent.decode()


def screens(sent: str) -> Iterator[list[str]]:
    """Yield what stands in the terminal before it is overwritten, each time, and at the end."""
    lines, row = [""], 0
    upwards = False
    for part in _MOVE.split(sent):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b["):
            if not upwards:
                yield list(lines)
            row, upwards = max(0, row - 1), True
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not _MOVE.fullmatch(part) and part:
            lines[row] += part
            upwards = False
    yield lines


def drawn(lines: Sequence[str], title: str) -> str:
    """Return lines, with their colours, as a picture of a terminal."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, crop=False)
    return console.export_svg(title=title, code_format=_FORMAT, unique_id=title.replace(" ", "-"))
