"""Errors and texts as they go on the log."""

from services.strategy.errors import TEXT_MAX, sayable, told


def test_an_error_names_its_innermost_lines_without_paths() -> None:
    def inner():
        raise ValueError("for the test")

    try:
        inner()
    except ValueError as error:
        text = told(error)

    assert text.startswith("ValueError: for the test (at test_errors.py:")
    assert "inner < " in text
    assert "/" not in text


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert told(KeyError("x")) == "KeyError: 'x'"


def test_a_text_is_short_and_encodable() -> None:
    assert len(sayable("x" * 10 * TEXT_MAX)) == TEXT_MAX
    assert sayable("\ud800") == "?"
    assert sayable(7) == "7"
