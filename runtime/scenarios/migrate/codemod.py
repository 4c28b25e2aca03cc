"""From unittest to pytest, a file at a time. Pure: source in, source out.

A class is converted whole or not at all, and with all that inherits from it: what has no certain equivalent leaves the
class as it was, with the line and the reason. Comments and layout stay.
"""

from collections.abc import Collection

import libcst as cst
from libcst.codemod import CodemodContext
from libcst.codemod.visitors import AddImportsVisitor, RemoveImportsVisitor
from libcst.metadata import MetadataWrapper

from fleetlog.runtime.scenarios.migrate.changes import Conversion, Left
from fleetlog.runtime.scenarios.migrate.names import Family, Names, families, names_of
from fleetlog.runtime.scenarios.migrate.transformer import Plan, Transformer

__all__ = ["convert"]


def convert(source: str, without: tuple[str, ...] = ()) -> Conversion:
    """The file by pytest's means; the classes in `without` (and their kin) are left as they are. A file that cannot be
    parsed, or has no class of unittest's, comes back as it is."""
    try:
        module = cst.parse_module(source)
    except cst.ParserSyntaxError as error:
        return Conversion(source, left=(Left(error.raw_line, "the file", f"it cannot be parsed: {error.message}"),))
    names = names_of(module)
    if (protocol := _protocol(module)) is not None:
        return Conversion(source, left=(protocol,))
    found = [family for family in families(module, names) if family.cases]
    given = _refused_families(module, found, without)
    problems = {**given, **_problems(module, _plan(module, names, found, given))}
    plan = _plan(module, names, found, problems)
    left = tuple(left for name in sorted(problems) for left in problems[name])
    if not plan.classes:
        return Conversion(source, left=left)
    transformer = Transformer(plan)
    changed = MetadataWrapper(module).visit(transformer)
    made = _imports(changed, transformer.modules).code
    return Conversion(made if source[:1] == "\n" else made.lstrip("\n"), dict(plan.renamed), left)


def _protocol(module: cst.Module) -> Left | None:
    """A `load_tests` says itself which tests there are."""
    for node in module.body:
        if isinstance(node, cst.FunctionDef) and node.name.value == "load_tests":
            return Left(1, "load_tests", "the file chooses its tests by the load_tests protocol")
    return None


def _refused_families(module: cst.Module, found: list[Family], without: tuple[str, ...]) -> dict[str, tuple[Left, ...]]:
    lines = _lines(module)
    refused: dict[str, tuple[Left, ...]] = {}
    for family in found:
        unwanted = set(family.classes) & set(without)
        for name in family.classes:
            if name in family.strangers:
                why = f"its base {family.strangers[name]} is not of this file: what it brings is not known"
            elif unwanted:
                why = f"{' and '.join(sorted(unwanted))} did not behave as before when converted"
            elif family.strangers:
                why = f"it belongs together with {' and '.join(sorted(family.strangers))}"
            else:
                continue
            refused[name] = (Left(lines[name], f"class {name}", why),)
    return refused


def _lines(module: cst.Module) -> dict[str, int]:
    wrapper = MetadataWrapper(module)
    positions = wrapper.resolve(cst.metadata.PositionProvider)
    return {
        node.name.value: positions[node.name].start.line
        for node in wrapper.module.body
        if isinstance(node, cst.ClassDef)
    }


def _problems(module: cst.Module, plan: Plan) -> dict[str, tuple[Left, ...]]:
    """What stands against converting, by class; those of a class's kin are told of it too."""
    trial = Transformer(plan)
    MetadataWrapper(module).visit(trial)
    lines = _lines(module)
    problems = {name: tuple(left) for name, left in trial.problems.items()}
    for family in plan.families:
        troubled = [name for name in family.classes if name in problems]
        for name in family.classes:
            if troubled and name not in problems:
                why = f"it belongs together with {' and '.join(troubled)}"
                problems[name] = (Left(lines[name], f"class {name}", why),)
    return problems


def _plan(module: cst.Module, names: Names, found: list[Family], excluded: Collection[str]) -> Plan:
    wanted = [family for family in found if not any(name in excluded for name in family.classes)]
    taken = {node.name.value for node in module.body if isinstance(node, cst.ClassDef | cst.FunctionDef)}
    renamed = {name: _collected_name(name, family, taken) for family in wanted for name in family.classes}
    return Plan(names, tuple(wanted), renamed, is_whole=len(wanted) == len(found))


def _collected_name(name: str, family: Family, taken: set[str]) -> str:
    """unittest finds every test case, pytest those whose names begin with Test."""
    if name.startswith("Test") or not family.has_tests(name):
        return name
    return f"Test{name}" if f"Test{name}" not in taken else f"Test{name}Class"


def _imports(module: cst.Module, needed: set[str]) -> cst.Module:
    context = CodemodContext()
    for name in sorted(needed):
        AddImportsVisitor.add_needed_import(context, name)
    module = AddImportsVisitor(context).transform_module(module)
    context = CodemodContext()
    RemoveImportsVisitor.remove_unused_import(context, "unittest")
    for name in ("TestCase", "main", "skip", "skipIf", "skipUnless", "expectedFailure"):
        RemoveImportsVisitor.remove_unused_import(context, "unittest", name)
    return RemoveImportsVisitor(context).transform_module(module)
