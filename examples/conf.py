"""How the documentation is built: sphinx-build examples build/site."""

import os
import sys
from pathlib import Path

from pygments.lexers.shell import BashLexer
from sphinx.highlighting import lexers

import tinygrad_bp

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

project = "tinygrad_bp"
author = "the developers of tinygrad_bp"
release = version = tinygrad_bp.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_additions",
]
exclude_patterns = ["**/.ipynb_checkpoints"]
source_suffix = {".md": "myst-nb"}

# --- how it looks -----------------------------------------------------------------------------

html_theme = "furo"
html_title = "tinygrad_bp"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False
smartquotes = False  # what is quoted is code, mostly
lexers["console"] = BashLexer()  # commands are shown without a prompt
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e99", "color-brand-content": "#0b6e99"},
    "dark_css_variables": {"color-brand-primary": "#58c4dd", "color-brand-content": "#58c4dd"},
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# --- pages and notebooks ----------------------------------------------------------------------

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "force"  # what a page shows is what the code of this checkout gives
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
# For the notebooks' kernels. Threads of BLAS mostly wait for each other in nets this small.
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# --- docstrings -------------------------------------------------------------------------------

default_role = "py:obj"  # a name in backticks is a link if there is something of that name
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
}
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False

# --- formulas ---------------------------------------------------------------------------------

html_math_renderer = "mathml"
