"""What an error says reaches a terminal as text, never as a command to it."""

from __future__ import annotations

import sys
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygrad_bp import errors
from tinygrad_bp.errors import TinygradError, printable

CLASSES = [
    found
    for found in (getattr(errors, name) for name in errors.__all__)
    if isinstance(found, type) and issubclass(found, TinygradError)
]
BELL = "\x1b]0;owned\x07\r\x08\x9b2J\u202e\u2028\x00"


@given(st.text())
def test_printable_text_has_nothing_to_obey_and_is_kept_as_it_is(text):
    shown = printable(text)
    assert shown.replace("\n", "").isprintable()
    assert printable(shown) == shown
    if text.replace("\n", "").isprintable():
        assert shown == text


def test_what_is_escaped_can_be_told():
    assert printable(f"a{BELL}\nb\t\ud800é😀") == (
        r"a\x1b]0;owned\x07\r\x08\x9b2J\u202e\u2028\x00" + "\n" + r"b\t\ud800é😀"
    )


@pytest.mark.parametrize("error", CLASSES)
def test_every_error_is_printable(error):
    with pytest.raises(error) as caught:
        raise error(f"'{BELL}' is not\nthere") from OSError(2, "no", BELL)
    lines = traceback.format_exception(caught.value)
    for shown in (str(caught.value), f"{caught.value}", repr(caught.value), *lines):
        assert shown.replace("\n", "").isprintable()
    assert str(caught.value).endswith("' is not\nthere")


def test_tracebacks_that_end_a_program_too(capsys):
    try:
        raise TinygradError(BELL)
    except TinygradError:
        sys.excepthook(*sys.exc_info())
    assert capsys.readouterr().err.replace("\n", "").isprintable()
