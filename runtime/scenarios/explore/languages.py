"""What a path says: the language, and whether the file is a test, an aside or a part of the product."""

import posixpath

_BY_EXTENSION = {
    "py": "Python", "pyi": "Python", "pyx": "Cython", "js": "JavaScript", "jsx": "JavaScript", "mjs": "JavaScript",
    "cjs": "JavaScript", "ts": "TypeScript", "tsx": "TypeScript", "mts": "TypeScript", "cts": "TypeScript",
    "vue": "Vue", "svelte": "Svelte", "go": "Go", "java": "Java", "kt": "Kotlin", "scala": "Scala", "rs": "Rust",
    "c": "C", "h": "C", "cc": "C++", "cpp": "C++", "cxx": "C++", "hpp": "C++", "hh": "C++", "cs": "C#", "rb": "Ruby",
    "php": "PHP", "swift": "Swift", "sh": "Shell", "bash": "Shell", "sql": "SQL", "html": "HTML", "css": "CSS",
    "scss": "CSS", "lua": "Lua", "ex": "Elixir", "exs": "Elixir", "erl": "Erlang", "hs": "Haskell", "clj": "Clojure",
    "r": "R", "jl": "Julia", "pl": "Perl", "tf": "Terraform", "proto": "Protobuf", "md": "Markdown",
    "rst": "reStructuredText", "txt": "text", "json": "JSON", "yaml": "YAML", "yml": "YAML", "toml": "TOML",
    "ini": "INI", "cfg": "INI", "xml": "XML", "ipynb": "notebook",
}  # fmt: skip
_BY_NAME = {"Makefile": "Make", "GNUmakefile": "Make", "Dockerfile": "Docker", "Jenkinsfile": "Groovy"}
_NOT_CODE = frozenset(
    [
        "Markdown",
        "reStructuredText",
        "text",
        "JSON",
        "YAML",
        "TOML",
        "INI",
        "XML",
        "HTML",
        "CSS",
        "notebook",
        "other",
        "SQL",
        "Protobuf",
        "Terraform",
    ]
)
_HASH = frozenset(
    [
        "Python",
        "Cython",
        "Ruby",
        "Shell",
        "YAML",
        "TOML",
        "Elixir",
        "R",
        "Julia",
        "Perl",
        "Terraform",
        "Make",
        "Docker",
    ]
)
_SLASHES = frozenset(
    [
        "JavaScript",
        "TypeScript",
        "Go",
        "Java",
        "Kotlin",
        "Scala",
        "Rust",
        "C",
        "C++",
        "C#",
        "PHP",
        "Swift",
        "Vue",
        "Svelte",
        "Protobuf",
        "Groovy",
        "CSS",
    ]
)
_TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs", "e2e"})
_ASIDES = frozenset(
    {
        "docs", "doc", "examples", "example", "samples", "sample", "demo", "demos", "benchmarks", "benchmark",
        "stubs", "typings", "fixtures", "testdata", "test_data", "test-data", "corpus", "templates",
    }
)  # fmt: skip


_BUILD_SCRIPTS = frozenset({"setup.py", "noxfile.py", "conf.py", "fabfile.py", "gulpfile.js", "Gruntfile.js"})


def language_of(path: str) -> str:
    name = posixpath.basename(path)
    if name.startswith("Dockerfile"):
        return "Docker"
    extension = name.rpartition(".")[2].lower() if "." in name[1:] else ""
    return _BY_NAME.get(name) or _BY_EXTENSION.get(extension, "other")


def is_code(language: str) -> bool:
    """Whether the language has control flow a reader would refactor; prose, data and markup have not."""
    return language not in _NOT_CODE


def line_comment(language: str) -> str:
    if language in _HASH:
        return "#"
    return "//" if language in _SLASHES else ""


def is_test(path: str) -> bool:
    """By the conventions of pytest, unittest, go test, jest, JUnit and RSpec."""
    *folders, name = path.split("/")
    stem, _, extension = name.rpartition(".")
    if not _TEST_FOLDERS.isdisjoint(folders) or folders[:1] == ["t"] or name == "conftest.py":
        return True
    if stem.startswith("test_") or stem.endswith(("_test", "_spec", ".test", ".spec")):
        return True
    return extension in ("java", "kt", "cs", "scala") and stem.endswith(("Test", "Tests", "IT"))


def is_test_module(path: str) -> bool:
    """A test file that holds tests, as opposed to what tests are helped by. Only Python names tell them apart."""
    name = posixpath.basename(path)
    return is_test(path) and (not name.endswith(".py") or ("test" in name and name != "conftest.py"))


def is_aside(path: str) -> bool:
    """Documentation, examples, fixtures, build scripts: worth mapping, not worth ranking as a risk."""
    *folders, name = path.split("/")
    return name in _BUILD_SCRIPTS or ".config." in name or not _ASIDES.isdisjoint(folders)
