"""Digests that stored rows are compared with for as long as they live, and what compares equal."""

from __future__ import annotations

from typing import Any

import pytest

from exec_tracker.fingerprint import canonical_parameters, fingerprint, same_json, same_request

PARAMETERS = {"b": [1.0, None, "é", {"d": 1e22, "c": False}], "a": 2}


def test_the_canonical_form_is_what_it_was() -> None:
    written = rb'{"a":2,"b":[1,null,"\u00e9",{"c":false,"d":10000000000000000000000}]}'
    assert canonical_parameters(PARAMETERS) == written


def test_digests_are_what_they_were() -> None:
    canonical = canonical_parameters(PARAMETERS)
    plain = "v1:607f9f5279fb85de7137632c2ebf8abd1bc6f14538c687265c72d318670a1ed0"
    keyed = "v1:hmac:ea954c6c1b7addb36832688e00507071312751312fc9319d1ad14d92bca8a2e4"
    assert fingerprint(canonical) == plain
    assert fingerprint(canonical, b"key") == keyed


@pytest.mark.parametrize(
    ("stored", "asked", "same"),
    [
        ("v1:hmac:a", "v1:hmac:a", True),
        ("v1:hmac:a", "v1:hmac:b", False),
        ("v1:hmac:a", "v1:b", True),
        ("v1:a", "v1:hmac:b", True),
        (None, None, True),
    ],
)
def test_keyed_digests_compare_with_keyed_ones_only(
    stored: str | None, asked: str | None, *, same: bool
) -> None:
    assert same_request(stored, asked) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        ({"a": 1e22}, {"a": 10**22}, True),
        (1, True, False),
        (None, 0, False),
        ([1], [1, 1], False),
        ({"": 1}, 1, False),
        ({}, None, False),
    ],
)
def test_results_are_compared_as_jsonb_keeps_them(one: Any, other: Any, *, same: bool) -> None:
    assert same_json(one, other) is same
