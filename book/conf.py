"""Sphinx reads its settings here. The notebooks are shown as they were committed: nothing is executed, nothing is fetched."""

import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # collect.py and api.py lie beside this file

from collect import collect  # noqa: E402

collect()

project = "minijepa"
author = "The minijepa authors"
copyright = "The minijepa authors, MIT licence"
release = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]["version"]

extensions = ["myst_nb", "sphinx_design", "sphinx_copybutton", "sphinx_togglebutton"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "_vendor*", "**.ipynb_checkpoints"]
suppress_warnings = ["ref.python"]  # two modules may each have a `State`; a signature need not say which
nitpicky = False
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 88
pygments_style = "friendly"
templates_path = ["_templates"]

# ---- notebooks
nb_execution_mode = "off"
nb_merge_streams = True
nb_number_source_lines = False
nb_render_markdown_format = "myst"
nb_ipywidgets_js = {"vendor/require.js": {}, "vendor/embed-amd.js": {}}
togglebutton_hint = "Show"
togglebutton_hint_hide = "Hide"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# ---- Markdown
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "deflist", "dollarmath", "fieldlist", "html_image"]
myst_heading_anchors = 3
myst_dmath_double_inline = True

# ---- formulas: MathJax from _vendor; what would make it load a file that is not there is off
mathjax_path = "vendor/mathjax/tex-mml-svg.js"
mathjax4_config = {
    "loader": {"paths": {"mathjax-newcm": "[mathjax]/fonts"}},
    "options": {
        "enableSpeech": False,
        "enableBraille": False,
        "enableExplorer": False,
        "menuOptions": {
            "settings": {
                "speech": False,
                "braille": False,
                "enrich": False,
                "assistiveMml": False,
                "collapsible": False,
            }
        },
    },
    "svg": {"fontCache": "global"},
}

# ---- the look
html_theme = "sphinx_book_theme"
html_title = "minijepa"
html_favicon = "_static/favicon.svg"
VENDOR = [] if not (HERE / "_vendor").is_dir() else ["_vendor/static"]  # build.py fetches it; other builders need it not
html_static_path = ["_static", *VENDOR]
html_extra_path = ["_vendor/extra"] if VENDOR else []
html_css_files = ["minijepa.css"]
html_js_files = ["widgets.js"]
html_context = {"default_mode": "light"}
html_copy_source = True
html_show_sourcelink = False
html_last_updated_fmt = None
html_theme_options = {
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "use_download_button": True,
    "use_fullscreen_button": False,
    "pygments_light_style": "friendly",
    "pygments_dark_style": "native",
    "logo": {
        "image_light": "_static/logo-light.svg",
        "image_dark": "_static/logo-dark.svg",
        "alt_text": "minijepa, home",
    },
}
