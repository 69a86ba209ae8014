"""The header's syntax: an item of RFC 9651 that is a string, of 1 to 255 characters."""

from __future__ import annotations

import json

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_tracker.integrations.http import IdempotencyPolicy
from exec_tracker.integrations.http.key import idempotency_key
from exec_tracker.integrations.http.messages import AnsweredError

STRICT = IdempotencyPolicy()
OPTIONAL = IdempotencyPolicy(required=False)
BARE = IdempotencyPolicy(accept_bare_keys=True)

printable = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=255)


def refusal(values: list[str], policy: IdempotencyPolicy = STRICT) -> tuple[int, str, str]:
    """Return status, problem and detail of the answer that a key gets."""
    with pytest.raises(AnsweredError) as answered:
        idempotency_key(values, policy)
    response = answered.value.response
    told = json.loads(response.body)
    return response.status, told["type"].rpartition("#")[2], told["detail"]


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "8e03978e-40d5-43e8-bc93-6894a57f9324"),
        (' \t"k" ', "k"),
        ('"with \\"quotes\\" and \\\\"', 'with "quotes" and \\'),
        ('"k";v=1;other', "k"),
        (f'"{"k" * 255}"', "k" * 255),
        ('"' + "\\\\" * 255 + '"', "\\" * 255),
    ],
)
def test_a_string_is_the_key(value: str, key: str) -> None:
    assert idempotency_key([value], STRICT) == key
    assert idempotency_key([value], BARE) == key


@pytest.mark.parametrize(
    "value",
    [
        "8e03978e-40d5-43e8-bc93-6894a57f9324", "token", "7", "-7.5", "?1", ":a2V5:", "@1659578233",
        '%"k"', "'k'", '"k', 'k"', '"k" "l"', '"k", "l"', '("k")', 'k="k"', '"k\\n"', '"\u00fc"',
        '"k\x00"', '"k\x7f"', '"k";', '"k";V=1', ";", ",",
    ],
)  # fmt: skip
def test_anything_else_is_malformed(value: str) -> None:
    status, name, detail = refusal([value])
    assert (status, name) == (400, "key-malformed")
    assert 'Idempotency-Key: "' in detail


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ('""', "empty"),
        ('"   "', "blank"),
        (f'"{"k" * 256}"', "256"),
    ],
)
def test_an_empty_blank_or_long_key_is_malformed_and_told_so(value: str, why: str) -> None:
    for policy in (STRICT, OPTIONAL, BARE):
        status, name, detail = refusal([value], policy)
        assert (status, name) == (400, "key-malformed")
        assert why in detail


def test_a_missing_key_is_refused_only_where_one_is_required() -> None:
    assert refusal([])[:2] == (400, "key-missing")
    assert idempotency_key([], OPTIONAL) is None


def test_a_key_that_is_sent_twice_is_refused_even_if_it_is_the_same() -> None:
    assert refusal(['"k"', '"k"'])[:2] == (400, "key-malformed")


@pytest.mark.parametrize("value", ["k", "8e03978e-40d5-43e8-bc93-6894a57f9324", "a/b:c=d+e~!", "7"])
def test_a_bare_key_is_the_same_as_in_quotes(value: str) -> None:
    assert idempotency_key([value], BARE) == idempotency_key([f'"{value}"'], BARE) == value


@pytest.mark.parametrize("value", ["k l", "k,l", "k;l", '"k', 'k"l', "k\\l", "\u00fc"])
def test_bare_keys_hold_nothing_that_structures_a_field(value: str) -> None:
    assert refusal([value], BARE)[:2] == (400, "key-malformed")


def test_a_bare_key_of_256_characters_is_too_long() -> None:
    assert refusal(["k" * 256], BARE)[:2] == (400, "key-malformed")


@given(printable)
def test_every_printable_key_is_read_as_it_was_written(key: str) -> None:
    if key.strip():
        assert idempotency_key([http_sf.ser(key)], STRICT) == key


@given(st.lists(st.binary(max_size=40), max_size=2))
def test_whatever_is_sent_is_a_key_or_a_clean_refusal(lines: list[bytes]) -> None:
    values = [line.decode("latin-1") for line in lines]
    for policy in (STRICT, OPTIONAL, BARE):
        status, key = 400, None
        try:
            key = idempotency_key(values, policy)
        except AnsweredError as answered:
            status = answered.response.status
        assert status == 400
        assert key is None or 1 <= len(key) <= 255
