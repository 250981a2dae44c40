"""The built site in a browser: nothing asked of the network, nothing wider than a phone, search finds a word."""

from pathlib import Path

import pytest

SITE = Path(__file__).parents[2] / "build" / "site"
PAGES = sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def phone(browser):
    """A page as wide as a phone, and the list of what it asked of the network."""
    context = browser.new_context(viewport=PHONE, color_scheme="light")
    page, asked = context.new_page(), []
    page.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else asked.append(request.url)
    )
    yield page, asked
    context.close()


def test_the_site_was_built():
    assert "index.html" in PAGES, "make site first"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_a_phone_and_asks_nothing_of_the_network(phone, pictures, name):
    page, asked = phone
    page.goto(f"file://{SITE / name}")
    page.wait_for_timeout(200)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert len(page.locator("main").inner_text().split()) > 3
    assert not asked
    page.screenshot(path=pictures / f"site-{name.replace('/', '-').removesuffix('.html')}-phone.png")


def test_search_finds_a_word_of_a_lesson_without_a_server(phone):
    page, asked = phone
    page.goto(f"file://{SITE / 'search.html'}?q=modality+dropout")
    page.locator("#search-results li a").first.wait_for()
    assert any(
        "auxiliary_networks" in link.get_attribute("href") for link in page.locator("#search-results li a").all()
    )
    assert not asked
