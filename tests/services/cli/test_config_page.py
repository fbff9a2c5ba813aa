from services.cli.config_page import PAGE, page


def test_the_page_has_a_line_for_every_key_as_it_is_now():
    text = PAGE.read_text(encoding="utf-8")

    assert page(text) == text, "run `python -m services.cli.config_page` to renew docs/configuration.md"
