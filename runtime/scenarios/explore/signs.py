"""Warning signs: what each kind means for a refactoring and how much one of them weighs."""

from typing import NamedTuple

SWALLOWED = "swallowed exception"
BROAD_EXCEPT = "broad except"
MUTABLE_DEFAULT = "mutable default"
EVAL = "eval/exec"
DYNAMIC_IMPORT = "dynamic import"
SYS_PATH = "sys.path edit"
SHELL = "shell=True"
GLOBAL = "global statement"
TODO = "TODO/FIXME"
GENERATED = "generated"


class Meaning(NamedTuple):
    """`weight` is an editorial judgement on a scale where a swallowed exception is 4."""

    weight: int
    why: str
    suggestion: str


MEANINGS = {
    EVAL: Meaning(
        5,
        "code is made and run from strings, which neither search nor a type checker follows",
        "list what reaches it, then replace it by a table or a closure, or pin it with a test",
    ),
    SWALLOWED: Meaning(
        4,
        "every exception is caught and dropped, so a mistake made while moving code stays silent",
        "narrow to the exceptions meant, or log them, before anything else is changed",
    ),
    SHELL: Meaning(4, "a command line goes through a shell", "pass a list of arguments"),
    MUTABLE_DEFAULT: Meaning(3, "a default value is shared by all calls", "default to None and make the value inside"),
    GLOBAL: Meaning(3, "module state is rebound from inside functions", "give the state one owner that is passed in"),
    DYNAMIC_IMPORT: Meaning(
        3,
        "modules are imported by name at run time: a rename breaks it and the import graph does not show it",
        "search for the names it is given before anything is renamed",
    ),
    SYS_PATH: Meaning(3, "sys.path is edited, so what an import finds depends on who runs", "install the package"),
    BROAD_EXCEPT: Meaning(2, "Exception is caught and not raised again", "catch the exceptions that can really come"),
    TODO: Meaning(1, "open work is noted in the source", "close it or make it an issue before the code moves"),
}
