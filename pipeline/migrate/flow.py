"""Walks a module in the order in which it runs and follows each loss to its last division.

Functions run where they are called, the others after the module. Of two branches that leave
different values in a name, neither is believed. Nothing is followed from one file to another.
"""

import dataclasses
from typing import Any

import libcst as cst
from libcst import metadata

from pipeline.migrate import calls, tensors
from pipeline.migrate.expressions import Expressions
from pipeline.migrate.names import Names
from pipeline.migrate.recorder import Frame, Recorder
from pipeline.migrate.values import Local, Loss, LossCall, Tape, Thing, Value


def loss_calls(wrapper: metadata.MetadataWrapper, before: int = 0) -> list[LossCall]:
    """The calls of the catalogue's functions in a module that begins after `before` lines."""
    recorder = Recorder(wrapper.resolve(metadata.PositionProvider), before)
    _Flow(Names(wrapper), recorder).module(wrapper.module)
    recorder.mention_rest()
    found = [call for call in recorder.calls if calls.kept(call)]
    return sorted(found, key=lambda call: (call.line, call.column))


class _Flow:
    """Walks statements; a new frame for each function."""

    def __init__(self, names: Names, recorder: Recorder) -> None:
        self._names = names
        self._expressions = Expressions(names, recorder, self._run_local)
        self._evaluate = self._expressions.evaluate
        self._waiting: dict[cst.FunctionDef, Frame] = {}
        self._returned: dict[cst.FunctionDef, Loss | None] = {}
        self._versions = 0

    @property
    def _frame(self) -> Frame:
        return self._expressions.frame

    def module(self, module: cst.Module) -> None:
        """Walk everything, each function once."""
        self._statements(module.body)
        while self._waiting:
            self._run(next(iter(self._waiting)))

    def _run_local(self, local: Local) -> Value | None:
        """What a function of the file returns, if that is one loss."""
        if local.node in self._waiting:
            self._run(local.node)
        value = self._returned.get(local.node)
        return value and dataclasses.replace(value, tape=self._frame.tape)

    def _run(self, node: cst.FunctionDef) -> dict[str, Value]:
        """Walk a function; returns what its names hold at the end."""
        frame, outer = self._waiting.pop(node), self._frame
        frame.env = {**frame.env, **_parameters(node.params)}
        self._expressions.frame = frame
        self._statement(node.body)
        self._expressions.frame = outer
        returned = {value for value in frame.returns if isinstance(value, Loss)}
        self._returned[node] = returned.pop() if len(returned) == 1 else None
        return frame.env

    def _statements(self, statements: Any) -> None:
        for statement in statements:
            self._statement(statement)

    def _statement(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.IndentedBlock | cst.SimpleStatementLine | cst.SimpleStatementSuite):
            self._statements(node.body)
        elif isinstance(node, cst.FunctionDef):
            self._frame.env[node.name.value] = self._define(node)
        elif isinstance(node, cst.ClassDef):
            self._class(node)
        elif isinstance(node, cst.If):
            self._if(node)
        elif isinstance(node, cst.With):
            self._with(node)
        elif isinstance(node, cst.For | cst.While | cst.Try | cst.TryStar | cst.Match):
            self._block(node)
        else:
            self._simple(node)

    def _simple(self, node: cst.CSTNode) -> None:
        if isinstance(node, cst.Assign):
            value = self._evaluate(node.value)
            for target in node.targets:
                self._bind(target.target, value)
        elif isinstance(node, cst.AnnAssign) and node.value is not None:
            self._bind(node.target, self._evaluate(node.value))
        elif isinstance(node, cst.AugAssign):
            self._bind(node.target, self._expressions.augmented(node))
        elif isinstance(node, cst.Return):
            self._frame.returns.append(self._evaluate(node.value) if node.value else None)
        else:
            self._expressions.visit_children(node)

    def _block(self, node: cst.CSTNode) -> None:
        """A loop or a try: its body is taken to run, once."""
        if isinstance(node, cst.For):
            self._bind(node.target, None)
        for child in node.children:
            if isinstance(child, cst.BaseExpression):
                self._evaluate(child)
            elif isinstance(child, cst.BaseSuite):
                self._statement(child)
            else:
                self._block(child)

    def _if(self, node: cst.If) -> None:
        """Keeps of the names what both branches agree on."""
        self._evaluate(node.test)
        env = self._frame.env
        before = dict(env)
        self._statement(node.body)
        after = dict(env)
        env.clear()
        env.update(before)
        if isinstance(node.orelse, cst.If):
            self._if(node.orelse)
        elif node.orelse is not None:
            self._statement(node.orelse.body)
        for name in after.keys() | env.keys():
            if after.get(name) != env.get(name):
                env[name] = Thing(text=name, root=self._version(name))

    def _with(self, node: cst.With) -> None:
        outer = self._frame.tape
        for item in node.items:
            self._evaluate(item.item)
            call = item.item
            name = self._names.name(call.func) if isinstance(call, cst.Call) else None
            if name == "tensorflow.GradientTape":
                self._frame.tape = node
                if item.asname is not None and isinstance(item.asname.name, cst.Name):
                    self._frame.env[item.asname.name.value] = Tape(node)
        self._statement(node.body)
        self._frame.tape = outer

    def _define(self, node: cst.FunctionDef, loss_class: str | None = None) -> Local:
        self._expressions.visit_children(node.params)
        decorators = [d.decorator for d in node.decorators]
        functions = [d.func if isinstance(d, cst.Call) else d for d in decorators]
        decorated = any(self._names.name(each) == "tensorflow.function" for each in functions)
        self._waiting[node] = Frame(
            env=self._frame.env,
            decorated=decorated or self._frame.decorated,
            loss_class=loss_class,
        )
        return Local(node)

    def _class(self, node: cst.ClassDef) -> None:
        """Methods share what they keep on self; `__init__` runs first."""
        outer, self._frame.env = self._frame.env, dict(self._frame.env)
        for base in node.bases:
            self._evaluate(base.value)
        bases = [self._names.name(base.value) for base in node.bases]
        is_loss = any(base in ("keras.losses.Loss", "keras.Loss") for base in bases)
        methods = [m for m in node.body.body if isinstance(m, cst.FunctionDef)]
        self._statements(s for s in node.body.body if not isinstance(s, cst.FunctionDef))
        for method in methods:
            name = method.name.value
            loss_class = node.name.value if is_loss and name == "call" else None
            self._frame.env[f"self.{name}"] = self._define(method, loss_class)
        for method in sorted(methods, key=lambda m: m.name.value != "__init__"):
            if method in self._waiting:
                names = self._run(method)
                kept = {n: v for n, v in names.items() if n.startswith("self.")}
                self._frame.env.update(kept)
        self._frame.env = outer

    def _bind(self, target: cst.BaseExpression, value: Value | None) -> None:
        if isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._bind(element.value, None)
        elif isinstance(target, cst.Name | cst.Attribute):
            name = tensors.code(target)
            if value is None or isinstance(value, Thing):
                value = self._renamed(value or Thing(text="", root=""), name)
            self._frame.env[name] = value

    def _renamed(self, thing: Thing, name: str) -> Thing:
        """What is bound to a name: a copy or cast of another name keeps that name's root."""
        copied = thing.text.replace(".", "").isidentifier()
        root = thing.root if copied else self._version(name)
        return dataclasses.replace(thing, text=name, root=root)

    def _version(self, name: str) -> str:
        """A root for a new value of a name: no other value has it."""
        self._versions += 1
        return f"{name}#{self._versions}"


def _parameters(parameters: cst.Parameters) -> dict[str, Value]:
    every = [*parameters.posonly_params, *parameters.params, *parameters.kwonly_params]
    return {p.name.value: Thing(text=p.name.value, root=p.name.value) for p in every}
