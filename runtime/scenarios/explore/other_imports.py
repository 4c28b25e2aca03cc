"""Which file an import of another language means. Rough: only what the path itself gives away.

JavaScript and TypeScript: relative paths. Go: the module's own packages, each shown at its first file. Java: the class
path below any folder. Rust: `crate`, `self`, `super` and `mod`. C and C++: includes in quotes.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Mapping

from fleetlog.runtime.scenarios.explore.facts import FileFacts, ImportFact
from fleetlog.runtime.scenarios.explore.languages import is_test

_JS_ENDINGS = (".ts", ".tsx", ".d.ts", ".js", ".jsx", ".mjs", ".cjs", ".vue", ".svelte")
_JS = frozenset({"JavaScript", "TypeScript", "Vue", "Svelte"})
_JVM = frozenset({"Java", "Kotlin", "Scala"})


class OtherImports:
    """Resolves imports among the given files. `go_modules` maps a module's import path to its folder."""

    def __init__(self, files: Iterable[FileFacts], go_modules: Mapping[str, str]) -> None:
        known = list(files)
        self._paths = {file.path for file in known}
        self._go_modules = sorted(go_modules.items(), key=lambda pair: (-len(pair[0]), pair))
        self._go_packages: dict[str, str] = {}
        self._by_tail: dict[str, list[str]] = defaultdict(list)
        for file in sorted(known, key=lambda file: file.path):
            if file.language == "Go" and not is_test(file.path):
                self._go_packages.setdefault(posixpath.dirname(file.path), file.path)
            elif file.language in _JVM or file.language in ("C", "C++"):
                self._by_tail[posixpath.basename(file.path)].append(file.path)

    def package_of(self, path: str) -> str:
        """The file that stands for the whole package in the graph: for Go its first file, else the file itself."""
        return self._go_packages.get(posixpath.dirname(path), path) if path.endswith(".go") else path

    def targets(self, importer: FileFacts, found: ImportFact) -> list[str]:
        if importer.language in _JS:
            target = self._javascript(importer.path, found.module)
        elif importer.language == "Go":
            target = self._go(found.module)
        elif importer.language in _JVM:
            target = self._jvm(importer.path, found.module)
        elif importer.language == "Rust":
            target = self._rust(importer.path, found.module)
        else:
            target = self._include(importer.path, found.module)
        return [target] if target and target != importer.path else []

    def _javascript(self, importer: str, module: str) -> str | None:
        if not module.startswith("."):
            return None
        base = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
        bare = base.removesuffix(".js").removesuffix(".jsx")
        tried = [base, *(base + ending for ending in _JS_ENDINGS), *(bare + ending for ending in _JS_ENDINGS)]
        tried += [f"{base}/index{ending}" for ending in _JS_ENDINGS]
        return next((path for path in tried if path in self._paths), None)

    def _go(self, module: str) -> str | None:
        for prefix, folder in self._go_modules:
            if module == prefix or module.startswith(prefix + "/"):
                return self._go_packages.get(posixpath.join(folder, module[len(prefix) + 1 :]).rstrip("/"))
        return None

    def _jvm(self, importer: str, module: str) -> str | None:
        extension = posixpath.splitext(importer)[1]
        parts = module.split(".")
        # `import static a.b.C.method` and imports of inner classes name more than the file.
        for end in range(len(parts), max(1, len(parts) - 2), -1):
            tail = "/".join(parts[:end]) + extension
            found = self._nearest(importer, posixpath.basename(tail), tail)
            if found:
                return found
        return None

    def _rust(self, importer: str, module: str) -> str | None:
        folder, name = posixpath.split(importer)
        own = folder if name in ("mod.rs", "lib.rs", "main.rs") else posixpath.join(folder, name[:-3])
        if module.startswith("mod "):
            return self._rust_file(own, [module[4:]])
        head, *rest = module.split("::")
        if head == "crate":
            source, found, _ = (folder + "/").rpartition("src/")
            own = source + "src" if found else folder
        elif head == "super":
            own = posixpath.dirname(own)
        return next((path for end in range(len(rest), 0, -1) if (path := self._rust_file(own, rest[:end]))), None)

    def _rust_file(self, folder: str, parts: list[str]) -> str | None:
        base = posixpath.join(folder, *parts)
        return next((path for path in (f"{base}.rs", f"{base}/mod.rs") if path in self._paths), None)

    def _include(self, importer: str, module: str) -> str | None:
        local = posixpath.normpath(posixpath.join(posixpath.dirname(importer), module))
        return local if local in self._paths else self._nearest(importer, posixpath.basename(module), module)

    def _nearest(self, importer: str, name: str, tail: str) -> str | None:
        matching = [path for path in self._by_tail.get(name, ()) if f"/{path}".endswith(f"/{tail}")]
        return min(matching, key=lambda path: (-_shared(importer, path), path), default=None)


def _shared(one: str, other: str) -> int:
    return len(posixpath.commonprefix([one.split("/"), other.split("/")]))
