"""What the documentation adds to Sphinx.

Blocks that list names of a package with their docstrings, or methods of tensors; docstrings that
are prose, in which backticks and indentation mark code, and every other sign means itself; formulas
as MathML, which browsers draw themselves, without scripts, fonts or a network; notebooks for
download in plain Markdown.
"""

import enum
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from docutils.nodes import Node, SkipNode
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

import tinygrad_bp

# --- docstrings -------------------------------------------------------------------------------


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
    signs = re.sub(r"(`[^`]*`)|([*|]|(?<=\w)_\b)", sign, paragraph)
    return re.sub(r"(?<!:):$", "::", signs) if following.startswith("    ") else signs


def sign(found: re.Match[str]) -> str:
    """What means itself, escaped; code, as a link if it names something of the library."""
    if not found[1]:
        return "\\" + found[2]
    if found[1].startswith("`."):  # the role would take the point for a wish
        return f"`{found[1]}`"
    name = found[1].strip("`").removesuffix("()").removeprefix("bp.")
    for place in ("", "errors."):
        if ("." in name or place) and is_ours(place + name):
            return f":py:obj:`{found[1].strip('`')} <tinygrad_bp.{place}{name}>`"
    return found[1]


def is_ours(name: str) -> bool:
    """Whether something of that name is found by way of the library's packages."""
    thing: Any = tinygrad_bp
    for part in name.split("."):
        if not part.isidentifier() or not hasattr(thing, part):
            return False
        thing = getattr(thing, part)
    return True


NOT_SHOWN = ("checked", "checks", "extra_repr", "function", "rank", "set_fit_request",
             "set_partial_fit_request", "set_score_request", "takes_arrays", "update")  # fmt: skip


def is_left_out(*event: Any) -> bool | None:
    """Members that readers have no use for, but in the class that tells how to write them."""
    _, _, name, member, *_ = event
    where = getattr(member, "__qualname__", "").partition(".")[0]
    return True if name in NOT_SHOWN and where not in ("Module", "Optimizer", "Split") else None


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
    if inspect.isclass(thing) and issubclass(thing, enum.Enum):
        return "", ""
    analyzer = ModuleAnalyzer.for_module(thing.__module__)
    analyzer.analyze()
    analyzer.overloads.clear()  # the implementation says it all in one line
    signature = inspect.signature(thing)
    parameters = [
        p.replace(annotation=told(p.annotation), default=short(p.default))
        for p in signature.parameters.values() if p.name not in ("self", "_", "__")
    ]  # fmt: skip
    args = str(signature.replace(parameters=parameters, return_annotation=signature.empty))
    returns = told(signature.return_annotation)
    return args, "" if kind in ("class", "exception") or returns is signature.empty else returns


def told(annotation: Any) -> Any:
    """An annotation as it is written, nothing for Any."""
    annotation = getattr(annotation, "__forward_arg__", annotation)  # of a NamedTuple
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    if text in ("Any", "inspect._empty"):
        return inspect.Parameter.empty
    text = re.sub(r"ForwardRef\('(\w+)'\)", r"\1", text)
    return Written(re.sub(r"\bProgress\b", "Callable", text))  # an alias, and a callback's name


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


def kind_of(thing: Any) -> str:
    """The directive of autodoc that describes something, without the "auto"."""
    if inspect.isclass(thing):
        return "exception" if issubclass(thing, Exception) else "class"
    return "function"


# --- formulas ---------------------------------------------------------------------------------


def visit_math(self: Any, node: Node) -> None:
    """Formulas as MathML, which browsers draw themselves: no script, no fonts, no network."""
    drawn = tex2mathml(node.astext(), as_block=node.tagname == "math_block")
    gap = '<mspace width="0.17em"></mspace>'  # of "log p"; there is none in "log(p)"
    drawn = re.sub(r"<mo>(&ApplyFunction;|\u2061)</mo>(?!\s*<mo[^>]*>\()", gap, drawn)
    self.body.append(drawn)
    raise SkipNode


# --- notebooks --------------------------------------------------------------------------------

PLAIN = {
    r"\{nb-download\}`[^`]*`\n*": "",
    r"\{[\w:]+\}`([^`<]+?)(?: <[^`>]*>)?`": r"`\1`",  # a role: its text alone
    r"\[([^\]]+)\]\((?!\w+://)[^)]*\)": r"\1",  # a link to another page, which is not there
    r"(?m)^:::+\{\w+\} ?(.*)$": r"**\1**\n",
    r"(?m)^:::+$": "",
}


def plain_notebooks(app: Sphinx, _: Exception | None) -> None:
    """Rewrite what only Sphinx understands in the notebooks that are offered for download."""
    for path in Path(app.outdir).glob("_downloads/*/*.ipynb"):
        notebook = json.loads(path.read_text("utf-8"))
        for cell in notebook["cells"]:
            if cell["cell_type"] == "markdown":
                text = "".join(cell["source"])
                for written, plain in PLAIN.items():
                    text = re.sub(written, plain, text)
                cell["source"] = text
        path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), "utf-8")


def setup(app: Sphinx) -> None:
    """Tell Sphinx of what is defined here."""
    app.connect("build-finished", plain_notebooks)
    app.connect("autodoc-process-docstring", prose_is_prose)
    app.connect("autodoc-skip-member", is_left_out)
    app.connect("autodoc-process-signature", signature_as_written)
    app.add_directive("api", Api)
    app.add_directive("methods", Methods)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
