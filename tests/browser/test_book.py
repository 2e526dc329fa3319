"""Every page of the built book opens in Chromium without an error, a missing file, broken maths, or a request to elsewhere."""

import pytest

from tests.browser.conftest import BOOK, SHOTS

pytestmark = pytest.mark.browser
PAGES = sorted(str(path.relative_to(BOOK)) for path in BOOK.rglob("*.html") if "_static" not in path.parts)

# Noise of the widget manager and the theme, seen in a book that works (none of it is visible on the page).
ALLOWED_ERRORS = ["reading 'Queue'", "Got invalid theme mode"]
ALLOWED_MISSING = ["/@jupyter-widgets/"]  # icon fonts that the widget manager asks for; sliders work without them

FAULTS = """() => {
    const faults = [];
    for (const e of document.querySelectorAll('mjx-merror, .MathJax_Error')) faults.push('maths: ' + e.textContent);
    for (const e of document.images) if (e.complete && !e.naturalWidth) faults.push('picture: ' + e.src.slice(0, 80));
    for (const e of document.querySelectorAll('video')) if (e.error) faults.push('video: ' + e.error.message);
    if (!document.querySelector('h1, .genindextable, #search-results')) faults.push('no title');
    return faults;
}"""


def unexpected(found: list[str], allowed: list[str]) -> list[str]:
    return [text for text in found if not any(noise in text for noise in allowed)]


def faults_of(page, address: str) -> dict[str, list[str]]:
    page.goto(address, wait_until="load", timeout=60_000)
    page.wait_for_load_state("networkidle", timeout=60_000)
    watch = page.watch
    return {
        "requests to elsewhere": watch.external,
        "errors": unexpected(watch.errors, ALLOWED_ERRORS),
        "missing files": unexpected(watch.missing, ALLOWED_MISSING),
        "on the page": page.evaluate(FAULTS),
    }


def test_book_has_pages(book):
    assert len(PAGES) > 1, "built after the tests were collected: run them again"


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_cleanly(page, book, name):
    faults = {kind: found for kind, found in faults_of(page, f"{book}/{name}").items() if found}
    if faults:
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"book_{name.replace('/', '_')}.png")
    assert not faults


def test_a_bad_page_is_seen(page, tmp_path):
    """The test of the test: a page with a script error, a request to elsewhere and no title is told from a good one."""
    bad = "<script src='https://example.com/x.js'></script><script>nothing.at_all()</script><img src='data:,x'>"
    page.route("http://127.0.0.1/bad.html", lambda route: route.fulfill(body=bad, content_type="text/html"))
    faults = faults_of(page, "http://127.0.0.1/bad.html")
    assert len(faults["requests to elsewhere"]) == 1 and len(faults["errors"]) >= 1 and len(faults["on the page"]) == 2
