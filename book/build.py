"""Build the book into book/_build/html from the committed notebooks: `python book/build.py [extra sphinx-build options]`."""

import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build
from vendor import VendorError, vendor

BOOK = Path(__file__).resolve().parent
PAGES = BOOK / "_build" / "html"


def main(options: list[str]) -> int:
    """Fetch what must be fetched once, then run Sphinx; any warning is an error.

    Returns: an exit status, 0 if the book stands under `PAGES`.
    """
    try:
        vendor()
    except VendorError as error:
        sys.stderr.write(f"book: {error}\n")
        return 1
    # -a: every page is written again, because each holds the side bar, which a new chapter changes
    status = sphinx_build(["-a", "-W", "--keep-going", "-q", "-b", "html", str(BOOK), str(PAGES), *options])
    if status == 0:
        sys.stdout.write(f"the book: {PAGES / 'index.html'}\n")
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
