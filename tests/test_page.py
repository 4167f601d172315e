"""The page of a backward pass, read as text."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest
from documents import HOSTILE, Elements, parts_of

from tinygrad_bp import Tensor
from tinygrad_bp.explain.page import page
from tinygrad_bp.explain.trace import trace

PARTS = parts_of("explain")


def example() -> dict[str, Any]:
    w = Tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="w")
    loss = (w * np.array([2.0, 0.25])).sum() ** 2
    return trace(loss).to_dict()


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return example()


@pytest.fixture(scope="module")
def document(data: dict[str, Any]) -> str:
    return page(data)


# --- what goes in stays what it is ----------------------------------------------------------


def test_the_data_come_back_as_they_were(data: dict[str, Any], document: str) -> None:
    embedded, _ = Elements(document).text_of("script")
    assert json.loads(embedded) == json.loads(json.dumps(data))


def test_hostile_names_and_sources_end_nothing() -> None:
    data = example()
    data["title"] = HOSTILE
    for node in data["nodes"]:
        node["name"] = f"{HOSTILE}{node['id']}"
        if node["source"] is not None:
            node["source"] |= {"code": HOSTILE, "segment": HOSTILE}
    for file in data["sources"].values():
        file["lines"] = [HOSTILE for _ in file["lines"]]
    document = page(data)
    expected, found = Elements(page(example())), Elements(document)
    assert [tag for tag, _ in found.found] == [tag for tag, _ in expected.found]
    embedded = found.text_of("script")[0]
    assert not set("<>&\u2028\u2029") & set(embedded)
    assert json.loads(embedded)["title"] == HOSTILE


def test_braces_of_the_user_are_not_placeholders() -> None:
    data = example() | {"title": "{{script}}"}
    assert "<h1>{{script}}</h1>" in page(data)


def test_a_nan_must_be_a_word() -> None:
    with pytest.raises(ValueError, match="JSON"):
        page(example() | {"arrays": [float("nan")]})


# --- the files ------------------------------------------------------------------------------


def test_each_key_of_the_help_is_one_that_is_listened_to(document: str) -> None:
    helped = set(re.findall(r"<dt>.*?</dt>", document, flags=re.DOTALL))
    keys = {key for item in helped for key in re.findall(r"<kbd>(.*?)</kbd>", item)}
    assert keys == {"→", "←", "Shift", "Home", "End", *"lg/std?"}
