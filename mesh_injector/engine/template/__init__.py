"""Patch templates: Jinja over YAML in which no value is ever text, so none can become syntax.

A template is compiled once; rendering marks values, parses the text around them as a skeleton, and fills the values in.
"""

import bisect
import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from jinja2 import Template

from mesh_injector.engine import schema
from mesh_injector.engine.memory import Memory
from mesh_injector.engine.template import branches, fill, language, names, rewrite, skeleton
from mesh_injector.engine.template.branches import Place
from mesh_injector.engine.template.settled import Settled
from mesh_injector.engine.template.skeleton import Skeleton
from mesh_injector.engine.template.source import Fault, Source
from mesh_injector.engine.template.state import State
from mesh_injector.reasons import Reason

__all__ = ["Fault", "PatchTemplate", "Place", "Rendered", "Settled", "Source"]

Path = tuple[str | int, ...]

SKELETON_ROOM: Final = 2 * 1024 * 1024
"""Bytes of skeletons that a template remembers, since pods choose the branches; one may take half of them."""
SKELETON_WEIGHT: Final = 64
"""Bytes that the skeleton of a text takes for each of its characters; a text of none takes `SKELETON_OVERHEAD`."""
SKELETON_OVERHEAD: Final = 512


_OF_PODS: Final = ("pod.metadata.labels", "pod.metadata.annotations", "namespace.labels", "namespace.annotations")
"""The mappings of which pods and namespaces have some keys and lack others."""


class PatchTemplate:
    """A compiled template: what it names, what it needs, and how it renders.

    Raises `InjectionError` (TemplateInvalid or UndefinedVariable) with line, column and excerpt when the text is not in the language.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.digest = f"sha256:{hashlib.sha256(source.text.encode('utf-8', 'surrogatepass')).hexdigest()}"
        try:
            tree = language.parse(source.text)
            found = names.find(tree)
            self._compiled = rewrite.compile_tree(tree)
        except Fault as fault:
            raise source.error(fault) from fault
        self.skeleton: Memory[str, Skeleton | None] = Memory(skeleton.parse, _weigh, room=SKELETON_ROOM, largest=SKELETON_ROOM // 2)
        """Parses a rendered text, once for each distinct one: it depends only on the branches taken, never on a value. Raises `Fault`."""
        self.names = found
        self.named = frozenset(found.named)
        self.needed = frozenset(found.needed)

    def render(self, variables: Mapping[str, Any]) -> "Rendered":
        """Render with the variables that there are; one that is needed and absent is an `InjectionError` (UndefinedVariable)."""
        try:
            text, state = self.run(variables)
        except Fault as fault:
            raise self.source.error(fault) from fault
        return Rendered(self, text, state.values, functools.partial(self.line, variables), state.budget.spent)

    def branches(self, *, loops: bool = True) -> "Iterator[branches.Branch]":
        """Iterate over what the template can render to, each branch at least once, with marks for all values and without running it.

        Without `loops` each loop has nothing to go through.
        """
        return branches.of(language.parse(self.source.text), loops=loops)

    def settled(self, variables: Mapping[str, Any], known: Settled) -> dict[Place, Any]:
        """Find the values of the outputs that are the same for every pod, as far as a rendering for some pod comes by them."""
        state = State()
        found: dict[Place, Any] = {}

        def mark(value: Any, line: int, column: int) -> str:
            marker = state.mark(value, line, column)
            found[line, column] = value
            return marker

        with contextlib.suppress(Fault):
            self._join(self._compiled, variables, state, {**state.names(), "__mark__": mark})
        return {place: found[place] for place in known.outputs(language.parse(self.source.text)) if place in found}

    def open_lines(self, known: Settled, *, outputs: bool = False) -> frozenset[int]:
        """Find the lines of which pods can change whether they are rendered; with `outputs` also those that read what pods can change."""
        tree = language.parse(self.source.text)
        return known.open_lines(tree) | (known.open_outputs(tree) if outputs else frozenset())

    def run(self, variables: Mapping[str, Any]) -> tuple[str, State]:
        """Run the compiled template: the text with its markers, and the values they stand for. Raise `Fault`."""
        state = State()
        return self._join(self._compiled, variables, state, state.names()), state

    def forget(self) -> None:
        """Forget the skeletons."""
        self.skeleton.forget()

    def line(self, variables: Mapping[str, Any], at: int) -> int:
        """Run the traced twin: from which line of the template the character `at` (from 1) of the rendered text is."""
        state = State()
        pieces: list[tuple[int, int, str]] = [(0, 1, "")]
        written = 0

        def data(text: str, line: int) -> str:
            nonlocal written
            pieces.append((written, line, text))
            written += len(text)
            return text

        def mark(value: Any, line: int, column: int) -> str:
            nonlocal written
            marker = state.mark(value, line, column)
            pieces.append((written, line, ""))
            written += len(marker)
            return marker

        self._join(self._traced, variables, state, {**state.names(), "__data__": data, "__mark__": mark})
        begin, line, text = pieces[bisect.bisect_right(pieces, at - 1, key=lambda piece: piece[0]) - 1]
        return line + text.count("\n", 0, at - 1 - begin)

    @functools.cached_property
    def _traced(self) -> Template:
        return rewrite.compile_tree(language.parse(self.source.text), traced=True)

    def _join(self, compiled: Template, variables: Mapping[str, Any], state: State, functions: Mapping[str, Any]) -> str:
        parts = []
        try:
            for piece in rewrite.run(compiled, {**variables, **functions}):
                state.budget.write(len(piece))
                parts.append(piece)
        except Fault as fault:
            fault.line = fault.line or rewrite.line_of(compiled, fault)
            self._spell(fault)
            raise
        except (TypeError, ValueError, ArithmeticError, RecursionError, AttributeError, LookupError) as error:
            line, what, fix = rewrite.line_of(compiled, error), f"cannot be evaluated: {error}", "check the types of the values"
            if "unpack" in str(error):  # the only place where a template takes a value apart
                what, fix = "a loop over several names got an item of another length", "loop over pairs: `{% for key, value in x|items %}`"
            raise Fault(Reason.TEMPLATE_INVALID, what, line=line, fix=fix) from error
        return "".join(parts)

    def _spell(self, fault: Fault) -> None:
        """Name what is not defined as the template writes it: `values.imgae`, where the fault knows only the key."""
        path = self.names.paths.get((int(fault.line), fault.word))
        if fault.reason is Reason.UNDEFINED_VARIABLE and path:
            known = fault.what.split("`")[1]
            fault.what = f"`{path}` is not defined" + (f" ({known})" if known != fault.word else "")
            if path.startswith(_OF_PODS) and fault.fix.startswith("there are"):
                fault.fix += f", or `|get('{fault.word}', '...')` where it may be missing"


def _weigh(text: str, _skeleton: Skeleton | None) -> int:
    return SKELETON_OVERHEAD + SKELETON_WEIGHT * len(text)


class Rendered:
    """One rendering: the partial pod it brings, from which line of the template each field comes, and the evaluations it took."""

    __slots__ = ("_line", "_skeleton", "_values", "body", "spent", "template")

    def __init__(self, template: PatchTemplate, text: str, values: Sequence[Any], line: Callable[[int], int], spent: int = 0) -> None:
        """Fill a rendered text with the values of its marks; `line` finds the template's line of a character of it."""
        self.template, self._values, self._line, self.spent = template, values, line, spent
        try:
            self._skeleton = template.skeleton(text)
            self.body = self._partial_pod()
        except Fault as fault:
            fault.line = self._template_line(fault.line)
            raise template.source.error(fault) from fault

    def _partial_pod(self) -> dict[str, Any]:
        """Fill the skeleton; a bare PodSpec is put under `spec`."""
        if self._skeleton is None or (isinstance(self._skeleton, skeleton.Literal) and self._skeleton.value is None):
            return {}
        if not isinstance(self._skeleton, skeleton.Mapping):
            fix = "begin with `spec:` or `containers:`"
            raise Fault(Reason.RENDERED_INVALID_POD, "the template renders to something that is no mapping", line=1, fix=fix)
        node = schema.POD.field("spec") if self.bare else schema.POD
        filled = fill.fill(self._skeleton, self._values, node)
        body = {key: value for key, value in filled.items() if key not in ("apiVersion", "kind")}
        return {"spec": body} if self.bare and body else body

    @property
    def bare(self) -> bool:
        """Whether the template renders to a bare PodSpec: neither `metadata` nor `spec` at the top."""
        top = self._skeleton
        if not isinstance(top, skeleton.Mapping):
            return False
        keys = {skeleton.key_text(key) for key, _ in top.pairs if isinstance(key, skeleton.Literal)}
        return not keys & {"metadata", "spec"}

    def line(self, path: Path) -> int:
        """Find the template's line of a field of `body`, or of its nearest ancestor; 0 when the template cannot say."""
        place: Skeleton | None = self._skeleton
        at = place.at if place else 0
        for part in path[1:] if self.bare else path:
            place, found = self._step(place, part)
            if place is None:
                break
            at = found
        return self._template_line(at)

    def _step(self, place: Skeleton | None, part: str | int) -> tuple[Skeleton | None, int]:
        if isinstance(place, skeleton.Sequence) and isinstance(part, int) and part < len(place.items):
            return place.items[part], place.items[part].at
        if isinstance(place, skeleton.Mapping):
            for key, child in place.pairs:
                if fill.key(key, self._values) == part:
                    return child, key.at
        return None, 0

    def _template_line(self, at: int) -> int:
        """Find the template's line of a character of the rendered text, from 1; 0 when it is not known."""
        return self._line(at) if at else 0
