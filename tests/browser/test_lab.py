"""A newcomer opens a chapter in JupyterLab, chooses "run all", and it ends without an error and without the network.

LAB_CHAPTERS="00 04" opens other chapters than the first.
"""

import os
import time

import pytest

from tests.browser.conftest import SHOTS, TOKEN

pytestmark = pytest.mark.browser
OPEN_SECONDS, RUN_SECONDS = 120, 300
CHAPTERS = os.environ.get("LAB_CHAPTERS", "00").split()
READY = """() => {
    const panel = window.jupyterapp && jupyterapp.shell.currentWidget;
    const session = panel && panel.sessionContext && panel.sessionContext.session;
    return Boolean(session && session.kernel && session.kernel.status === 'idle');
}"""
# The promise is kept in a variable, not returned: playwright would wait for it, and it did not come back here.
RUN_ALL = """() => {
    window.ran = null;
    jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ran = true; }, e => { window.ran = String(e); });
    return 1;
}"""
CELLS = """() => jupyterapp.shell.currentWidget.content.widgets
    .filter(c => c.model.type === 'code' && c.model.sharedModel.source.trim())
    .map(c => ({count: c.model.executionCount, outputs: c.model.outputs.toJSON()}))"""


def run_all(page, address: str) -> list[dict]:
    """Open a notebook, run all its cells, wait until the kernel is idle, and return its code cells."""
    page.goto(f"{address}?token={TOKEN}&reset", timeout=1000 * OPEN_SECONDS)
    page.wait_for_function(READY, timeout=1000 * OPEN_SECONDS)
    time.sleep(1.5)  # commands that come while the panel is still being laid out were lost
    page.evaluate(RUN_ALL)
    page.wait_for_function("() => window.ran !== null", timeout=1000 * RUN_SECONDS)
    assert page.evaluate("() => window.ran") is True
    page.wait_for_function(READY, timeout=1000 * RUN_SECONDS)
    return page.evaluate(CELLS)


@pytest.mark.parametrize("number", CHAPTERS)
def test_run_all_ends_without_an_error(page, lab, number):
    address, folder = lab
    (chapter,) = folder.glob(f"{number}_*.ipynb")
    try:
        cells = run_all(page, f"{address}/{chapter.name}")
    finally:
        SHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SHOTS / f"lab_{chapter.stem}.png")
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert not errors, [f"{error['ename']}: {error['evalue']}" for error in errors]
    assert [cell["count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert not page.watch.external


def test_an_error_in_a_cell_is_seen(page, lab):
    """The test of the test: a notebook whose second cell fails is told from one that runs."""
    import nbformat

    address, folder = lab
    cells = [nbformat.v4.new_code_cell(source) for source in ("x = 1", "x / 0")]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "broken.ipynb")
    cells = run_all(page, f"{address}/broken.ipynb")
    assert [output.get("ename") for output in cells[1]["outputs"]] == ["ZeroDivisionError"]
