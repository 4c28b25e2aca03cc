"""A file of tests, cut to one test: at an older commit the whole may not even import, because of others. Pure."""

import ast

from fleetlog.runtime.scenarios.triage.nodes import bare_name

__all__ = ["cut_to"]


def cut_to(source: str, test: str) -> str:
    """The source without the other tests, and without imports that only they need; as it is where it has no syntax."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return source
    name = bare_name(test)
    tree.body = [node for node in tree.body if not _is_other(node, name)]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tree.body = [kept for node in tree.body if (kept := _needed(node, used)) is not None]
    return ast.unparse(tree) + "\n"


def _is_other(node: ast.stmt, name: str) -> bool:
    """It is another test, or a class of tests without this one."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name.startswith("test") and node.name != name
    if isinstance(node, ast.ClassDef):
        names = {one.name for one in ast.walk(node) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
        return node.name.startswith("Test") and name not in names
    return False


def _needed(node: ast.stmt, used: set[str]) -> ast.stmt | None:
    """An import with the names that are used; other statements as they are. What is imported for its effect, or as a
    fixture of pytest's, has no name that is used: only names of `from` imports are left out."""
    if not isinstance(node, ast.ImportFrom) or any(alias.name == "*" for alias in node.names):
        return node
    names = [alias for alias in node.names if (alias.asname or alias.name) in used]
    node.names = names
    return node if names else None
