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
from sphinx.pycode import ModuleAnalyzer
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

# --- docstrings -------------------------------------------------------------------------------

default_role = "py:obj"  # a name in backticks is a link if there is something of that name
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {
    "members": True,
    "exclude-members": "checks,rank,set_fit_request,set_partial_fit_request,set_score_request",
}
toc_object_entries_show_parents = "hide"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 80
add_module_names = False


def prose_is_prose(*event: Any) -> None:
    """Docstrings mark code by backticks and indentation; every other sign means itself."""
    lines = event[-1]
    lines[:] = marked_up("\n".join(lines)).split("\n")


def marked_up(doc: str) -> str:
    """A docstring as reStructuredText."""
    paragraphs = doc.split("\n\n")
    after = [*paragraphs[1:], ""]
    return "\n\n".join(map(escaped, paragraphs, after))


def escaped(paragraph: str, following: str) -> str:
    """A paragraph as reStructuredText; where an indented one follows a colon, that is code."""
    if paragraph.lstrip().startswith(">>> ") or paragraph.startswith("    "):
        return paragraph
    signs = re.sub(r"(`[^`]*`)|([*|]|(?<=\w)_\b)", lambda m: m[1] or "\\" + m[2], paragraph)
    return re.sub(r"(?<!:):$", "::", signs) if following.startswith("    ") else signs


class Written(str):
    """Text that shows itself without quotes, as `inspect` writes a signature."""

    __slots__ = ()
    __repr__ = str.__str__


def signature_as_written(*event: Any) -> tuple[str, str] | None:
    """Signatures have the types that the source has, but for Any, which says nothing.

    Sphinx would spell aliases out, and has `Callable[[...], Any]` for `Callable[..., Any]`.
    """
    _, kind, _, thing, _, given, returned = event
    if not given:
        return ("", "") if returned == "Any" else None
    analyzer = ModuleAnalyzer.for_module(thing.__module__)
    analyzer.analyze()
    analyzer.overloads.clear()  # the implementation says it all in one line
    signature = inspect.signature(thing)
    parameters = [
        p.replace(annotation=told(p.annotation), default=short(p.default))
        for p in signature.parameters.values() if p.name != "self"
    ]  # fmt: skip
    args = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    returns = told(signature.return_annotation)
    return args, "" if kind in ("class", "exception") or returns is signature.empty else returns


def told(annotation: Any) -> Any:
    """An annotation as it is written, nothing for Any."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return inspect.Parameter.empty if text in ("Any", "inspect._empty") else Written(text)


def short(default: Any) -> Any:
    """A default as its name, where it would be shown as <something at 0x7f...>."""
    if repr(default).startswith("<") and default is not inspect.Parameter.empty:
        return Written(getattr(default, "__name__", "..."))
    return default


class Api(SphinxDirective):
    """Names of a package: a table of their first sentences, and then each of them in full."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[Node]:
        """Write both as reStructuredText, and parse it."""
        package = importlib.import_module(self.arguments[0])
        names = [name for line in self.content for name in line.split()]
        text = [
            *("```{eval-rst}", f".. currentmodule:: {package.__name__}", ".. autosummary::"),
            *("   :nosignatures:", ""),
            *(f"   {name}" for name in names),
            "",
            *(f".. auto{kind_of(getattr(package, name))}:: {name}\n" for name in names),
            "```",
        ]
        return self.parse_text_to_nodes("\n".join(text))


class Methods(SphinxDirective):
    """Methods of tensors, side by side with what they do."""

    has_content = True

    def run(self) -> list[Node]:
        """Write them as reStructuredText, and parse it."""
        names = [name for line in self.content for name in line.split()]
        text = ["```{eval-rst}", ".. currentmodule:: tinygrad_bp", ".. container:: methods", ""]
        for name in names:
            text += [f"   {line}" for line in method(name)]
        return self.parse_text_to_nodes("\n".join([*text, "```"]))


def method(name: str) -> list[str]:
    """A method or property of tensors, without types: they say little, and take much room."""
    found = inspect.getattr_static(tinygrad_bp.Tensor, name)
    head = f".. py:property:: Tensor.{name}"
    if not isinstance(found, property):
        parameters = [
            p.replace(annotation=p.empty, default=short(p.default))
            for p in inspect.signature(found).parameters.values() if p.name != "self"
        ]  # fmt: skip
        head = f".. py:method:: Tensor.{name}{inspect.Signature(parameters)}"
    lines = marked_up(inspect.getdoc(found) or "").split("\n")
    return [head, "   :no-contents-entry:", "", *(f"   {line}" for line in lines), ""]


def module_of_method(_: Sphinx, __: str, name: str) -> str | None:
    """The module that a method of tensors is written in: that of one of the classes it is from."""
    member = name.removeprefix("Tensor.")
    mixins = tinygrad_bp.Tensor.__mro__ if member != name else ()
    return next((kind.__module__ for kind in mixins if member in vars(kind)), None)


def methods_in_source(_: Sphinx, module: str) -> tuple[str, dict[str, Any]] | None:
    """A module with methods of tensors, and on which of its lines each of them is."""
    if not module.startswith("tinygrad_bp.methods."):
        return None
    analyzer = ModuleAnalyzer.for_module(module)
    analyzer.find_tags()
    tags = dict(analyzer.tags)
    for kind in (kind for kind in tinygrad_bp.Tensor.__mro__ if kind.__module__ == module):
        for name in vars(kind):
            assigned = re.search(rf"^ +(?:\w+, )*{name}\b[\w, ]* = ", analyzer.code, re.MULTILINE)
            line = analyzer.code[: assigned.start()].count("\n") + 1 if assigned else 1
            tags[f"Tensor.{name}"] = tags.get(f"{kind.__name__}.{name}", ("def", line, line))
    return analyzer.code, tags


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
    app.connect("autodoc-process-signature", signature_as_written)
    app.connect("viewcode-follow-imported", module_of_method)
    app.connect("viewcode-find-source", methods_in_source)
    app.add_directive("api", Api)
    app.add_directive("methods", Methods)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))


html_math_renderer = "mathml"
