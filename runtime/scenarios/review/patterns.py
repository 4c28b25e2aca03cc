"""What is unsafe, unfinished or unusable in a line of code, by language. Pure data; `change` applies it."""

import re
from typing import NamedTuple

from fleetlog.runtime.scenarios.review.findings import (
    CODE_REVIEWER,
    CONSIDER,
    FRONTEND,
    MUST,
    SECURITY,
    SHOULD,
    Severity,
)

__all__ = ["PATTERNS", "Pattern"]

_PY, _JS, _WEB = (
    ("Python",),
    ("JavaScript", "TypeScript", "Vue", "Svelte"),
    ("HTML", "JavaScript", "TypeScript", "Vue", "Svelte"),
)
_ANY: tuple[str, ...] = ()


class Pattern(NamedTuple):
    """`languages`: empty for all. `unless`: what makes it harmless. `in_strings`: look at the line as it stands, not with
    its strings and comments blanked."""

    kind: str
    owner: str
    severity: Severity
    languages: tuple[str, ...]
    fits: re.Pattern[str]
    title: str
    why: str
    fix: str
    unless: re.Pattern[str] | None = None
    in_strings: bool = False


def _of(kind: str, owner: str, severity: Severity, languages: tuple[str, ...], fits: str, title: str, why: str, fix: str,
        unless: str = "", *, raw: bool = False) -> Pattern:  # fmt: skip
    harmless = re.compile(unless, re.IGNORECASE) if unless else None
    return Pattern(kind, owner, severity, languages, re.compile(fits), title, why, fix, harmless, raw)


_SQL = r"(?:SELECT\s.+?\sFROM|INSERT\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM)\b"
_INJECTION = "whoever controls a part of it controls the rest"
_TLS = "anybody on the way can read and change what is sent"

PATTERNS: tuple[Pattern, ...] = (
    _of("code injection", SECURITY, MUST, _PY, r"(?<![\w.])(?:eval|exec)\s*\(", "Text is run as code", _INJECTION,
        "parse what is expected (ast.literal_eval, json)"),
    _of("code injection", SECURITY, MUST, _JS, r"(?<![\w.])eval\s*\(|\bnew\s+Function\s*\(", "Text is run as code", _INJECTION,
        "parse what is expected (JSON.parse)"),
    _of("shell injection", SECURITY, MUST, _PY, r"\bshell\s*=\s*True\b|\bos\.(?:system|popen)\s*\(",
        "A command goes through a shell", _INJECTION, "give the program and its arguments as a list"),
    _of("shell injection", SECURITY, MUST, _JS, r"\bexec(?:Sync)?\s*\(\s*(?:`[^`]*\$\{|[\w.]+\s*\+|[\"'][^\"']*[\"']\s*\+)",
        "A command is put together from strings", _INJECTION, "use execFile with a list of arguments", raw=True),
    _of("shell injection", SECURITY, MUST, ("Go",), r"exec\.Command\(\s*\"(?:ba)?sh\",\s*\"-c\"",
        "A command goes through a shell", _INJECTION, "give the program and its arguments one by one", raw=True),
    _of("unsafe deserialization", SECURITY, MUST, _PY, r"\b(?:pickle|cPickle|dill|marshal|shelve)\.(?:loads?|open)\s*\(",
        "Foreign bytes are unpickled", "unpickling runs whatever the bytes say", "use JSON or msgpack"),
    _of("unsafe deserialization", SECURITY, MUST, _PY, r"\byaml\.(?:load|load_all|unsafe_load)\s*\(", "YAML may make any object",
        "loading runs what the document says", "yaml.safe_load", r"safe_?loader"),
    _of("unsafe deserialization", SECURITY, MUST, ("PHP",), r"(?<!\w)unserialize\s*\(", "Foreign bytes are unserialized",
        "it makes any object", "json_decode"),
    _of("SQL injection", SECURITY, MUST, _PY,
        rf"(?i)(?:\b[rb]?f[\"']{{1,3}}[^\"']*{_SQL}[^\"']*\{{|[\"'][^\"']*{_SQL}[^\"']*[\"']\s*(?:\+\s*\w|%\s*[\w(]|\.format\s*\())",
        "SQL is put together from strings", _INJECTION, "use placeholders, and give the values apart", raw=True),
    _of("SQL injection", SECURITY, MUST, ("JavaScript", "TypeScript"),
        rf"(?i)(?:`[^`]*{_SQL}[^`]*\$\{{|[\"'][^\"']*{_SQL}[^\"']*[\"']\s*\+\s*\w)",
        "SQL is put together from strings", _INJECTION, "use placeholders, and give the values apart",
        r"\bsql`", raw=True),
    _of("SQL injection", SECURITY, MUST, ("Java", "C#", "Kotlin", "PHP", "Ruby", "Scala"),
        rf"(?i)\"[^\"]*{_SQL}[^\"]*(?:\"\s*[+.]\s*\$?\w|#\{{|\$\w)",
        "SQL is put together from strings", _INJECTION, "use placeholders, and give the values apart", raw=True),
    _of("SQL injection", SECURITY, MUST, ("Go",), rf"(?i)(?:Sprintf\s*\(\s*[\"`][^\"`]*{_SQL}[^\"`]*%|\"[^\"]*{_SQL}[^\"]*\"\s*\+\s*\w)",
        "SQL is put together from strings", _INJECTION, "use placeholders, and give the values apart", raw=True),
    _of("TLS not verified", SECURITY, MUST, _PY,
        r"\bverify\s*=\s*False\b|\bCERT_NONE\b|_create_unverified_context|check_hostname\s*=\s*False",
        "The other side's certificate is not looked at", _TLS, "verify it; give the CA of a private server"),
    _of("TLS not verified", SECURITY, MUST, _JS, r"rejectUnauthorized\s*:\s*false|NODE_TLS_REJECT_UNAUTHORIZED",
        "The other side's certificate is not looked at", _TLS, "verify it; give the CA of a private server", raw=True),
    _of("TLS not verified", SECURITY, MUST, ("Go",), r"InsecureSkipVerify\s*:\s*true", "The other side's certificate is not looked at",
        _TLS, "verify it; give the CA of a private server"),
    _of("TLS not verified", SECURITY, MUST, ("Shell", "Docker", "YAML", "Make"), r"\bcurl\b.*?\s(?:-\w*k\w*|--insecure)\b|\bwget\b.*--no-check-certificate",
        "The other side's certificate is not looked at", _TLS, "verify it", raw=True),
    _of("script from the network", SECURITY, MUST, ("Shell", "Docker", "YAML", "Make"), r"\b(?:curl|wget)\b[^|#]*\|\s*(?:sudo\s+)?(?:ba|z)?sh\b",
        "A script is run as it comes from the network", "nobody has seen what is run", "fetch a fixed version, and check its digest", raw=True),
    _of("open to all", SECURITY, SHOULD, _ANY, r"\bchmod\b[^#]*\b0?777\b|\b0o777\b", "Everybody may write", "any user of the machine can change it",
        "give the owner what it needs", raw=True),
    _of("weak hash", SECURITY, CONSIDER, _PY, r"\bhashlib\.(?:md5|sha1)\s*\(", "A hash that can be forged", "two inputs with one digest can be made",
        "sha256; or usedforsecurity=False to say that it does not matter", r"usedforsecurity\s*=\s*False"),
    _of("guessable secret", SECURITY, MUST, _PY, r"(?i)(?:token|secret|passw|nonce|otp|session)\w*\s*=.*(?<![\w.])random\.(?:choices?|randint|random|sample|getrandbits)\b",
        "A secret from a generator that can be predicted", "after a few values the next ones are known", "the module `secrets`", r"SystemRandom"),
    _of("guessable secret", SECURITY, MUST, _JS, r"(?i)(?:token|secret|passw|nonce|otp|session)\w*\s*[=:].*Math\.random\s*\(",
        "A secret from a generator that can be predicted", "after a few values the next ones are known", "crypto.getRandomValues"),
    _of("debug left on", SECURITY, SHOULD, _PY, r"\bdebug\s*=\s*True\b|^\s*DEBUG\s*=\s*True\b", "Debugging is switched on",
        "errors show code and values to strangers; some servers run code from the page", "read it from the environment, off by default"),
    _of("raw HTML", SECURITY, MUST, _WEB,
        r"\.(?:innerHTML|outerHTML)\s*\+?=(?!=)|\binsertAdjacentHTML\s*\(|\bdangerouslySetInnerHTML\b|\bv-html\s*=|\bdocument\.write(?:ln)?\s*\(|\{@html\b",
        "HTML goes into the page unescaped", "who writes the text runs scripts in the reader's page", "textContent, or sanitize it", raw=True),
    _of("token within reach of scripts", SECURITY, SHOULD, _JS, r"(?i)\b(?:local|session)Storage\.setItem\(\s*[\"'`][^\"'`]*(?:token|jwt|secret|password)",
        "A token lies where every script can read it", "one injected script takes it along", "an HttpOnly cookie", raw=True),
    _of("privileged container", SECURITY, MUST, ("YAML",), r"^\s*privileged\s*:\s*true\b", "A container has all rights", "who breaks in has the machine",
        "give the one capability it needs"),
    _of("swallowed error", CODE_REVIEWER, SHOULD, _PY, r"^\s*except\s*:", "Every error is caught, also Ctrl-C and exit",
        "a failure goes on as if nothing had been", "name the exceptions that are expected"),
    _of("swallowed error", CODE_REVIEWER, SHOULD, _PY, r"^\s*except\s+(?:Base)?Exception\b[^:]*:\s*pass\b", "Every error is thrown away",
        "a failure goes on as if nothing had been", "name the exceptions that are expected; log or raise the rest"),
    _of("swallowed error", CODE_REVIEWER, SHOULD, ("JavaScript", "TypeScript", "Java", "C#", "Kotlin", "Vue", "Svelte"),
        r"\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}|\.catch\(\s*\(\s*\w*\s*\)\s*=>\s*\{\s*\}\s*\)",
        "An error is thrown away", "a failure goes on as if nothing had been", "handle it, or let it through"),
    _of("debugger left in", CODE_REVIEWER, MUST, _PY, r"(?<![\w.])breakpoint\s*\(\s*\)|\bi?pdb\.set_trace\s*\(", "A debugger is left in",
        "the program stops there and waits", "take it out"),
    _of("debugger left in", CODE_REVIEWER, MUST, _JS, r"^\s*debugger\s*;?\s*$", "A debugger is left in", "the page stops there", "take it out"),
    _of("debug output", CODE_REVIEWER, CONSIDER, ("JavaScript", "TypeScript", "Vue", "Svelte"), r"\bconsole\.(?:log|debug)\s*\(",
        "Debug output is left in", "users pay for it, and it may show what it should not", "take it out, or use the logger"),
    _of("unfinished", CODE_REVIEWER, CONSIDER, _ANY, r"(?:#|//|/\*|<!--|--)\s*(?:TODO|FIXME|XXX|HACK)\b", "It says of itself that it is unfinished",
        "what is merged is seldom finished later", "finish it, or name the ticket", r"(?:TODO|FIXME)\s*[(:#]*\s*(?:[A-Z]{2,}-\d+|#\d+|https?:)", raw=True),
    _of("merge conflict", CODE_REVIEWER, MUST, _ANY, r"^(?:<{7} \S|>{7} \S|\|{7} \S)", "A merge conflict is left in", "it does not even parse",
        "resolve it", raw=True),
    _of("test switched off", CODE_REVIEWER, SHOULD, _ANY,
        r"@(?:pytest\.mark|unittest)\.skip\b|^\s*@(?:Ignore|Disabled)\b|\b(?:it|test|describe)\.(?:skip|todo)\s*\(|\bx(?:it|describe|test)\s*\(|\bt\.Skip\(",
        "A test is switched off", "what it guarded is unguarded", "repair it, or say until when", r"skipif|skipUnless"),
    _of("only one test runs", CODE_REVIEWER, MUST, _JS, r"\b(?:it|test|describe)\.only\s*\(|\bf(?:it|describe)\s*\(", "All other tests are left out",
        "the suite is green whatever breaks", "take out `.only`"),
    _of("no text for an image", FRONTEND, SHOULD, _WEB, r"<img\b(?=[^>]*>)(?![^>]*\balt\b)(?![^>]*\{\.\.\.)", "An image has no text",
        "who cannot see it learns nothing of it", "alt=\"what it shows\", or alt=\"\" for decoration", raw=True),
    _of("not for the keyboard", FRONTEND, SHOULD, _WEB, r"<(?:div|span|li|td|p|img)\b[^>]*\b(?:onClick|onclick|@click|on:click)\s*=",
        "Only a mouse can use it", "it cannot be reached or pressed with a keyboard", "a <button>", r"role\s*=|stopPropagation", raw=True),
    _of("focus hidden", FRONTEND, SHOULD, ("CSS", *_WEB), r"\boutline\s*:\s*(?:0|none)\b", "The focus cannot be seen",
        "who uses the keyboard does not know where they are", "style :focus-visible instead", raw=True),
    _of("field without a name", FRONTEND, SHOULD, _WEB,
        r"<(?:input|select|textarea)\b(?=[^>]*>)(?![^>]*\b(?:aria-label|aria-labelledby|id|title)\b)(?![^>]*\{\.\.\.)(?![^>]*type\s*=\s*[\"'](?:hidden|submit|button|reset|image)\b)",
        "A field has no name", "a screen reader says \"edit text\"", "a <label for>, or aria-label", r"<label", raw=True),
    _of("order of focus", FRONTEND, CONSIDER, _WEB, r"\btab[iI]ndex\s*=\s*[\"'{]+[1-9]", "The order of focus is changed by hand",
        "it jumps around the page", "tabindex 0, and the right order in the document", raw=True),
    _of("no zoom", FRONTEND, SHOULD, _WEB, r"user-scalable\s*=\s*(?:no|0)|maximum-scale\s*=\s*1(?:\.0)?\b", "The page cannot be enlarged",
        "who sees badly cannot read it", "leave it out", raw=True),
    _of("opener", FRONTEND, CONSIDER, _WEB, r"target\s*=\s*[\"'{]+_blank", "A new window gets the old one", "it can send the old one elsewhere",
        "rel=\"noopener\"", r"noopener|noreferrer", raw=True),
    _of("no language", FRONTEND, SHOULD, ("HTML",), r"<html\b(?=[^>]*>)(?![^>]*\blang\b)", "The page says no language", "it is read out in the wrong one",
        "<html lang=\"en\">", raw=True),
)  # fmt: skip
