"""How the documentation is built: sphinx-build examples build/site."""

import importlib
import inspect
import os
import re
from pathlib import Path
from typing import Any

from docutils.nodes import Node, SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import tinygrad_bp

HERE = Path(__file__).parent

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
pygments_style, pygments_dark_style = "friendly", "github-dark"
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
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")  # for the notebooks' kernels
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads mostly wait, where nets are small

# --- docstrings -------------------------------------------------------------------------------

default_role = "py:obj"  # a name in backticks is a link if there is something of that name
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "exclude-members": "checks,set_fit_request,set_partial_fit_request,set_score_request",
}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False


def prose_is_prose(*event: Any) -> None:
    """Docstrings mark code by backticks and indentation; every other sign means itself."""
    lines = event[-1]
    lines[:] = "\n\n".join(map(escaped, "\n".join(lines).split("\n\n"))).split("\n")


def escaped(paragraph: str) -> str:
    """A paragraph of a docstring as reStructuredText."""
    if paragraph.lstrip().startswith(">>> ") or paragraph.startswith("    "):
        return paragraph
    signs = re.sub(r"(`[^`]*`)|([*|]|(?<=\w)_\b)", lambda m: m[1] or "\\" + m[2], paragraph)
    return re.sub(r"(?<!:):$", "::", signs) if signs.endswith(":") else signs


class Api(SphinxDirective):
    """Names of a package: a table of their first sentences, and then each of them in full."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[Node]:
        """Write both as reStructuredText, and parse it."""
        package = importlib.import_module(self.arguments[0])
        names = [name for line in self.content for name in line.split()]
        text = [
            *("```{eval-rst}", f".. currentmodule:: {package.__name__}", ".. autosummary::", ""),
            *(f"   {name}" for name in names),
            "",
            *(f".. auto{kind_of(getattr(package, name))}:: {name}\n" for name in names),
            "```",
        ]
        return self.parse_text_to_nodes("\n".join(text))


def kind_of(thing: Any) -> str:
    """The directive of autodoc that describes something, without the "auto"."""
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function"


# --- formulas ---------------------------------------------------------------------------------


def visit_math(self: Any, node: Node) -> None:
    """Formulas as MathML, which browsers draw themselves: no script, no fonts, no network."""
    self.body.append(tex2mathml(node.astext(), as_block=node.tagname == "math_block"))
    raise SkipNode


def setup(app: Sphinx) -> None:
    """Tell Sphinx of what is defined here."""
    app.connect("autodoc-process-docstring", prose_is_prose)
    app.add_directive("api", Api)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))


html_math_renderer = "mathml"
