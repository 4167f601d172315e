"""The text of a program: what it imports, what happens once, and the step itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinygrad_bp.program.aligned import aligned
from tinygrad_bp.program.listing import (
    Cell,
    Check,
    Constant,
    Home,
    Input,
    Listing,
    Option,
    Place,
    Room,
    Statement,
    Value,
    values_in,
)
from tinygrad_bp.program.writing.expressions import Expressions
from tinygrad_bp.program.writing.formulas import formula
from tinygrad_bp.program.writing.identifiers import RESERVED, identifier
from tinygrad_bp.program.writing.imports import Imports
from tinygrad_bp.program.writing.inlining import inlined_in
from tinygrad_bp.program.writing.lines import line_of
from tinygrad_bp.program.writing.literals import literal
from tinygrad_bp.program.writing.naming import Names, roots_of
from tinygrad_bp.program.writing.outside import Outside
from tinygrad_bp.program.writing.rooms import are_aligned, lines_of_rooms, parts_of
from tinygrad_bp.program.writing.wrapping import WIDTH, beside, defined, indented, wrapped

__all__ = ["Layout"]


class Layout:
    """Writes a listing as a text.

    `given` is what `prepare` is to be called with: homes, random generators, and whatever cannot
    be written, by name. `parameters` and `options` are the values that the step and `settings`
    take, and `returned` those that the step returns.
    """

    def __init__(self, listing: Listing, name: str, hints: Mapping[int, str]) -> None:
        self._listing = listing
        self._imports = Imports()
        self._outside = Outside()
        self.given = self._outside.given
        self._expressions = Expressions(
            self._imports, self._outside, by_methods=not listing.elsewhere
        )
        self._roots = roots_of(listing)
        self._constants = self._written_constants()
        self._find_functions()
        rooms = [value for value in listing.sources if isinstance(value.source, Room)]
        self._aligned = self._outside.opaque.name_of(aligned) if are_aligned(rooms) else None
        reserved = {*RESERVED, *self._imports.names, *self._outside.names}
        self.name = identifier(name) if name.isidentifier() else "step"
        if self.name in reserved:
            self.name += "_"
        reserved.add(self.name)
        self._inlined = inlined_in(listing)
        self._names = Names(listing, reserved, hints, self._inlined)
        self.options = _options_of(listing)
        self.parameters = _parameters_of(listing)
        self.returned = list(dict.fromkeys([*values_in(listing.results), *listing.after]))
        self._gradients = {
            self._names.current(v.gradient_of): found
            for s in listing.statements
            for v in s.outputs
            if v.gradient_of is not None and (found := self._names.get(v))
        }

    def _find_functions(self) -> None:
        """Write all calls once without names, to know which functions the text refers to."""
        for statement in self._listing.statements:
            self._expressions.of(statement, self._unnamed)
        for update in self._listing.updates:
            self._expressions.name(update.function)
        if any(update.quiet for update in self._listing.updates):
            self._expressions.context(("all",))

    def _unnamed(self, item: Any) -> str:
        """The text of an argument while values have no names."""
        if isinstance(item, Value):
            return ""
        return self._expressions.argument(item, self._unnamed)

    # --- the whole ----------------------------------------------------------------------------

    def text(self) -> str:
        """Return the text."""
        step = list(self._step())
        settings = list(self._settings())
        once = list(self._once())
        homes = list(self._homes())
        constants = list(self._constant_lines())
        body = [*homes, *constants, *once]
        functions = [self.name, *(["settings"] if settings else [])]
        if settings:
            body += ["", *settings]
        body += [""] * bool(body) + step + ["", f"return {', '.join(functions)}"]
        header = defined("prepare", list(self.given))
        quiet = list(self._contexts())
        parts = [[*self._outside.opaque.lines()], quiet, [*header, *indented(body)]]
        text = "\n\n\n".join("\n".join(part).strip("\n") for part in parts if part) + "\n"
        imports = dict.fromkeys([*self._outside.opaque.imports, *self._imports.lines(text)])
        return "\n".join([*imports, "", "", text] if imports else [text])

    def _contexts(self) -> Iterator[str]:
        """Make the contexts in which NumPy does not warn."""
        if not self._expressions.contexts:
            return
        seterr = self._imports.take("numpy", "seterr")
        context = self._imports.take("contextvars", "Context")
        for kinds, name in self._expressions.contexts.items():
            ignored = ", ".join(f'{kind}="ignore"' for kind in kinds)
            yield f"{name} = {context}()  # in which NumPy does not warn"
            yield f"{name}.run({seterr}, {ignored})"

    # --- before the step ----------------------------------------------------------------------

    def _homes(self) -> Iterator[str]:
        """Hand arrays over, but for those that show a part of another one."""
        sources = self._listing.sources
        homes = [v for v in sources if isinstance(v.source, Home) and self._names.get(v)]
        for value, text in parts_of(homes, self._names.of):
            if text is None:
                self.given[self._names.of(value)] = value.source.array  # type: ignore[union-attr]
            else:
                yield beside(f"{self._names.of(value)} = {text}", _shape(value))

    def _written_constants(self) -> dict[Value, str]:
        """Constants that can be written; numbers of NumPy's as arrays where ufuncs read them.

        They take those faster.
        """
        others = set(self._listing.needed())
        for statement in (*self._listing.statements, *self._listing.updates):
            if not isinstance(statement.function, np.ufunc) or statement.kwargs:
                others.update(statement.inputs())
        found = {}
        for value in self._listing.sources:
            if isinstance(value.source, Constant):
                constant = value.source.value
                as_it_is = self._listing.elsewhere or value in others
                kept = constant if as_it_is else np.asarray(constant)
                text = literal(kept, self._imports)
                if text is not None:
                    found[value] = text
        return found

    def _constant_lines(self) -> Iterator[str]:
        for value in self._listing.sources:
            name = self._names.get(value)
            if not isinstance(value.source, Constant) or name is None:
                continue
            if value in self._constants:
                yield from wrapped(f"{name} = {self._constants[value]}")
            else:
                self.given[name] = value.source.value

    def _once(self) -> Iterator[str]:
        rooms = [v for v in self._listing.sources if isinstance(v.source, Room)]
        yield from lines_of_rooms(rooms, self._names, self._imports, self._aligned)
        for statement in self._listing.statements:
            if statement.when == "once" and not self._is_inlined(statement):
                yield from self._statement(self._as_seen(statement))

    def _settings(self) -> Iterator[str]:
        """A function for what is calculated when an option has changed."""
        statements = [
            s for s in self._listing.statements if s.when == "options" and not self._is_inlined(s)
        ]
        if not statements:
            return
        yield f"def settings({', '.join(map(self._names.of, self.options))}):"
        for statement in statements:
            if statement.out is None:
                yield from indented(self._statement(statement))
            else:
                text = self._expressions.of(statement, self._of)
                yield f"    {self._names.of(statement.output)}[...] = {text}"

    # --- the step -----------------------------------------------------------------------------

    def _step(self) -> Iterator[str]:
        names = [self._names.of(v) for v in self.parameters]
        yield from defined(self.name, names)
        body = [*self._statements(), *self._checks(), *self._stroke(), *self._return()]
        body = body[1:] if body and not body[0] else body
        yield from indented(body or ["pass"])

    def _statements(self) -> Iterator[str]:
        place, line = Place(number=-1), ""
        for statement in self._listing.statements:
            if statement.when != "run" or self._is_inlined(statement):
                continue
            now = statement.place
            if (now.phase, now.number) != (place.phase, place.number):
                yield ""
                if now.phase != place.phase:
                    yield from self._heading(now.phase)
                site = line_of(now.site)
                if site and site != line and now.phase != "backward":
                    yield f"# {site}"
                    line = site
                if text := formula(now, self._listing, self._names.get, self._gradient):
                    yield f"# {text}"[: WIDTH - 8]
                place = now
            yield from self._statement(statement)

    def _heading(self, phase: str) -> Iterator[str]:
        """What begins here: in the backward pass, what the names of gradients mean."""
        if phase == "update":
            yield from ("# --- update ---", "")
        elif phase == "backward":
            times = ", times the rate" if self._scales_gradients() else ""
            yield from (f"# --- backward: dx is the gradient with respect to x{times} ---", "")

    def _scales_gradients(self) -> bool:
        """Whether the learning rate is multiplied with what all gradients are made of."""
        statements = self._listing.statements
        decided = [s.output for s in statements if s.when == "options"]
        options = {*decided, *map(self._roots.get, decided)}
        return any(
            s.place.phase == "backward" and options.intersection(s.inputs()) for s in statements
        )

    def _gradient(self, value: Any) -> str | None:
        """The name of a value's gradient."""
        return self._gradients.get(self._names.current(value)) if isinstance(value, Value) else None

    def _statement(self, statement: Statement) -> Iterator[str]:
        text = self._expressions.of(statement, self._of)
        if statement.out is not None:
            yield from wrapped(text)
            return
        groups = [self._names.of_memory(v) for v in statement.outputs]
        if statement.several:
            left = ", ".join(names[0] for names in groups) + "," * (len(groups) == 1)
            yield f"{left} = {text}"
            for names in groups:
                yield from (f"{other} = {names[0]}" for other in names[1:])
            return
        (names,) = groups
        yield from wrapped(beside(f"{' = '.join(names)} = {text}", _shape(statement.output)))

    def _of(self, item: Any) -> str:
        """The text of an argument: a value's name, or the view that it is."""
        if isinstance(item, Value) and item in self._inlined:
            return self._expressions.of(self._inlined[item], self._of)
        if isinstance(item, Value):
            return self._names.of(item)
        return self._expressions.argument(item, self._of)

    def _as_seen(self, statement: Statement) -> Statement:
        """A statement that happens once, with its memory as what stands there in the step."""
        seen = {v: self._names.seen_by(statement.output, v) for v in statement.inputs()}
        return statement.with_values(seen)

    def _is_inlined(self, statement: Statement) -> bool:
        return all(value in self._inlined for value in statement.outputs)

    def _checks(self) -> Iterator[str]:
        if self._listing.checks:
            yield ""
        for check in self._listing.checks:
            value, expected = self._condition(check)
            told = f"{'not ' * expected}{self._of(value)}"
            yield f"if {told}:"
            yield f"    raise {self._raised(value, told, check.place)}"

    def _condition(self, check: Check) -> tuple[Value, bool]:
        """What is to hold, or not to hold: without a `not` of NumPy's around it."""
        value, expected = check.condition, check.expected
        while (made := self._inlined.get(value)) and made.function is np.logical_not:
            value, expected = made.args[0], not expected
        return value, expected

    def _raised(self, value: Value, told: str, place: Place) -> str:
        made = self._inlined.get(value)
        if made is not None and made.function in (np.isfinite, math.isfinite):
            return 'FloatingPointError("not finite: nothing is changed")'
        where = line_of(place.site).partition("  ")[0]
        return f"ValueError({f'{told}, at {where}' if where else told!r})"

    def _stroke(self) -> Iterator[str]:
        """What writes into homes: one call of C code, in which no signal is handled."""
        updates = self._listing.updates
        quiet = any(update.quiet for update in updates)
        context = f"{self._expressions.context(('all',))}.run" if quiet else ""
        calls = [self._update(update) for update in updates]
        calls += [(self._imports.take("operator", "setitem"), self._names.of(w.target), "...",
                   self._of(w.value)) for w in self._listing.writes]  # fmt: skip
        if not calls:
            return
        yield ""
        if self._listing.after:  # which whoever runs the program sets in the same call
            yield from self._strokes(context, calls)
        elif len(calls) == 1 and not updates:
            yield f"{calls[0][1]}[...] = {calls[0][3]}"
        elif len(calls) == 1:
            function, *args = [*([context] if quiet else []), *calls[0]]
            yield from wrapped(f"{function}({', '.join(args)})")
        else:
            yield from self._strokes(context, calls)

    def _strokes(self, context: str, calls: Sequence[Sequence[str]]) -> Iterator[str]:
        take = self._imports.take
        start = f"{take('itertools', 'starmap')}({take('operator', 'call')}, ("
        deque = take("collections", "deque")
        yield "# all of them in one call, which nothing interrupts"
        yield f"{context}({deque}, {start}" if context else f"{deque}({start}"
        yield from (f"    ({', '.join(parts)})," for parts in calls)
        yield ")), maxlen=0)"

    def _update(self, update: Statement) -> tuple[str, ...]:
        args, _ = update.call()
        return (self._expressions.name(update.function), *map(self._of, args))

    def _return(self) -> Iterator[str]:
        if self.returned:
            yield ""
            yield f"return {', '.join(self._names.of(v) for v in self.returned)}"


def _options_of(listing: Listing) -> list[Value]:
    """The options that are read by what happens when one changes."""
    found = (v for s in listing.statements if s.when == "options" for v in s.inputs())
    return list(dict.fromkeys(v for v in found if isinstance(v.source, Option)))


def _parameters_of(listing: Listing) -> list[Value]:
    """What a run takes: arguments, and what it reads of options and of what objects hold."""
    read = {v for s in listing.statements if s.when == "run" for v in s.inputs()}
    read |= {v for s in listing.updates for v in s.inputs()} | set(listing.needed())
    return [
        *(v for v in listing.sources if isinstance(v.source, Input)),
        *(v for v in listing.sources if isinstance(v.source, Option | Cell) and v in read),
    ]


def _shape(value: Value) -> str:
    return "" if value.is_number or not value.shape else str(value.shape)
