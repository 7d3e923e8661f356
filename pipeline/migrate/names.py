"""What a name in a source file really is: imports, their aliases, names bound by assignment."""

import dataclasses

import libcst as cst
from libcst import metadata

from pipeline.migrate.catalogue import FUNCTIONS, Function, canonical

_DEPTH = 5  # names of names of names


@dataclasses.dataclass(frozen=True)
class Reference:
    """A function of the catalogue as a source names it.

    Attributes:
      function: which one.
      node: the expression that names it: that of the call, or what was assigned to its name.
      certain: False where the name may also be bound to something else.
    """

    function: Function
    node: cst.BaseExpression
    certain: bool


class Names:
    """Resolves the expressions of one module."""

    def __init__(self, wrapper: metadata.MetadataWrapper) -> None:
        self._scopes = wrapper.resolve(metadata.ScopeProvider)
        self._parents = wrapper.resolve(metadata.ParentNodeProvider)
        self._stars = _star_imports(wrapper.module)

    def name(self, node: cst.CSTNode) -> str | None:
        """The canonical dotted name of an expression, or None: unknown, local or ambiguous."""
        found = {name for name, _ in self._resolve(node, node, _DEPTH)}
        return found.pop() if len(found) == 1 else None

    def reference(self, node: cst.BaseExpression) -> Reference | None:
        """The catalogue's function that an expression names, if there is exactly one."""
        found = self._resolve(node, node, _DEPTH)
        hits = [(name, at) for name, at in found if name in FUNCTIONS]
        if len({name for name, _ in hits}) != 1:
            return None
        name, at = hits[0]
        return Reference(FUNCTIONS[name], at, certain=len(found) == 1)

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        return self._parents.get(node)

    def _resolve(
        self, node: cst.CSTNode, at: cst.CSTNode, depth: int
    ) -> list[tuple[str | None, cst.BaseExpression]]:
        """All that the expression may be: a name (None: something of the file), and where named."""
        scope = self._scopes.get(node)
        leftmost, rest = _split(node)
        if scope is None or leftmost is None or not isinstance(at, cst.BaseExpression):
            return []
        found: list[tuple[str | None, cst.BaseExpression]] = []
        for name in scope.get_qualified_names_for(node):
            if name.source is metadata.QualifiedNameSource.IMPORT:
                found.append((canonical(name.name), at))
        if not isinstance(leftmost, cst.Name):
            return found
        for assignment in scope[leftmost.value]:
            if isinstance(assignment, metadata.Assignment | metadata.BuiltinAssignment):
                found.extend(self._assigned(assignment, rest, at, depth))
        return found or [(canonical(star + "." + leftmost.value), at) for star in self._stars]

    def _assigned(
        self, assignment: object, rest: list[str], at: cst.BaseExpression, depth: int
    ) -> list[tuple[str | None, cst.BaseExpression]]:
        if isinstance(assignment, metadata.ImportAssignment):
            return []  # already among the qualified names
        node = getattr(assignment, "node", None)
        value = self._value(node) if node is not None else None
        if value is None or depth == 0:
            return [(None, at)]
        if isinstance(value, cst.Name) and value.value == "None":
            return []  # `except ImportError: name = None`
        where = at if rest else value
        inner = self._resolve(value, where, depth - 1)
        suffix = "".join(f".{part}" for part in rest)
        return [(name and canonical(name + suffix), n) for name, n in inner] or [(None, at)]

    def _value(self, name: cst.CSTNode) -> cst.BaseExpression | None:
        """What `name = value` assigns, if the node is the only target of such a statement."""
        target = self._parents.get(name)
        if isinstance(target, cst.AnnAssign):
            return target.value
        statement = self._parents.get(target) if isinstance(target, cst.AssignTarget) else None
        return statement.value if isinstance(statement, cst.Assign) else None


def _split(node: cst.CSTNode) -> tuple[cst.CSTNode | None, list[str]]:
    """`a.b.c` as the node of `a` and `["b", "c"]`."""
    rest: list[str] = []
    while isinstance(node, cst.Attribute):
        rest.insert(0, node.attr.value)
        node = node.value
    return (node, rest) if isinstance(node, cst.Name) else (None, rest)


def _star_imports(module: cst.Module) -> list[str]:
    """Modules of the catalogue from which everything is imported."""
    found: list[str] = []

    class Visitor(cst.CSTVisitor):
        def visit_ImportFrom(self, node: cst.ImportFrom) -> None:
            if isinstance(node.names, cst.ImportStar) and node.module is not None:
                found.append(module.code_for_node(node.module))

    module.visit(Visitor())
    known = {canonical(f"{name}.sequence_loss").rpartition(".")[0] for name in found}
    modules = {name.rpartition(".")[0] for name in FUNCTIONS}
    return sorted(known & modules)
