"""Tokens are random UUIDs, wherever they are drawn from."""

from __future__ import annotations

import importlib
import os

import pytest

from exec_tracker import tokens


@pytest.mark.parametrize("lacking", [None, AttributeError, PermissionError])
def test_tokens_are_random_uuids(
    lacking: type[Exception] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_size: int) -> bytes:
        assert lacking is not None
        raise lacking

    with monkeypatch.context() as patched:
        if lacking is not None:
            patched.setattr(os, "getrandom", refuse)
        importlib.reload(tokens)
        drawn = {tokens.new_token() for _ in range(1000)}
    importlib.reload(tokens)
    assert len(drawn) == 1000
    assert {token.version for token in drawn} == {4}
    bits = [sum(token.int >> bit & 1 for token in drawn) for bit in range(128)]
    fixed = sum(count in (0, 1000) for count in bits)
    assert fixed == 6  # which say the version and the variant
