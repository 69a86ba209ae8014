"""Which parameters are the same request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exec_tracker.fingerprint import canonical_parameters, fingerprint, same_request


def digest(parameters: dict[str, Any] | None, **more: Any) -> str:
    return fingerprint(canonical_parameters(parameters, **more))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": {"x": 1, "y": 2}}, {"a": {"y": 2, "x": 1}}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": [1, {"b": 0}]}, {"a": [1.0, {"b": -0.0}]}),
        ({"a": 10**22}, {"a": 1e22}),
        ({}, None),
    ],
)
def test_the_same_request(one: Any, other: Any) -> None:
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 0}, {"a": False}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": 1.5}),
        ({"a": None}, {}),
        ({"a": []}, {"a": {}}),
        ({"a": [1, 2]}, {"a": [2, 1]}),
        ({"a": ""}, {"a": None}),
        ({"a": "é"}, {"a": "e\u0301"}),
        ({"a": {"b": 1}}, {"a.b": 1}),
    ],
)
def test_another_request(one: Any, other: Any) -> None:
    assert digest(one) != digest(other)


def test_chosen_fields_alone_identify_the_request() -> None:
    one = {"order": 1, "sent_at": "now"}
    assert digest(one, fields={"order"}) == digest(
        {"order": 1, "sent_at": "later"}, fields={"order"}
    )
    assert digest(one, fields={"order"}) != digest({"order": 2}, fields={"order"})
    assert digest(one, fields={"absent"}) == digest(None)


def test_the_digest_carries_its_version_and_is_stable() -> None:
    # Stored digests are compared with these for as long as rows live.
    expected = "v1:9f89c740ceb46d7418c924a78ac57941d5e96520a46ce6a03d0b9c3a6b8a1a0b"
    assert digest({"a": [1.0, None, "é"], "b": True}).startswith("v1:")
    assert len(digest({})) == len(expected)
    assert digest({}) == "v1:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_a_key_makes_digests_that_cannot_be_guessed_without_it() -> None:
    canonical = canonical_parameters({"card": "4242"})
    assert (
        fingerprint(canonical, b"one") != fingerprint(canonical, b"two") != fingerprint(canonical)
    )
    assert fingerprint(canonical, b"one").startswith("v1:hmac:")


@pytest.mark.parametrize(
    ("stored", "asked", "same"),
    [
        ("v1:a", "v1:a", True),
        ("v1:a", "v1:b", False),
        (None, "v1:a", True),
        ("v1:a", None, True),
        ("v2:a", "v1:b", True),
    ],
)
def test_comparing_digests(stored: str | None, asked: str | None, *, same: bool) -> None:
    assert same_request(stored, asked) is same


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), VALUES), st.randoms())
def test_the_order_of_keys_never_counts(parameters: dict[str, Any], chance: Any) -> None:
    names = list(parameters)
    chance.shuffle(names)
    assert digest({name: parameters[name] for name in names}) == digest(parameters)


@settings(max_examples=30)
@given(st.dictionaries(st.text(), VALUES), st.text(), VALUES)
def test_one_more_parameter_is_another_request(
    parameters: dict[str, Any], name: str, value: Any
) -> None:
    if name not in parameters:
        assert digest({**parameters, name: value}) != digest(parameters)
