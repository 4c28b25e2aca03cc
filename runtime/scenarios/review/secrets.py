"""Finds keys, passwords and personal data in lines of text. What it finds it never repeats in full. Pure."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fleetlog.runtime.scenarios.review.findings import CONSIDER, MUST, SHOULD, Finding

__all__ = ["DOCUMENTED", "PERSONAL", "SECRET", "entropy", "find_personal", "find_secrets"]

SECRET, PERSONAL = "secret", "personal data"

_FORMATS = (
    ("AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b"),
    ("GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}\b"),
    ("Slack token", r"\bxox[abprs]-[A-Za-z0-9-]{20,}"),
    ("Stripe live key", r"\b[sr]k_live_[A-Za-z0-9]{20,}\b"),
    ("Google API key", r"\bAIza[0-9A-Za-z_-]{35}\b"),
    ("Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{24,}"),
    ("OpenAI key", r"\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b"),
    ("npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("JSON Web Token", r"\beyJ[A-Za-z0-9_-]{10,400}\.eyJ[A-Za-z0-9_-]{10,2000}\.[A-Za-z0-9_-]{10,}"),
)
_KNOWN = tuple((name, re.compile(pattern)) for name, pattern in _FORMATS)
_PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")
_IN_URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,20}://[^\s/:@'\"<>]{1,100}:(?P<value>[^\s/@'\"<>]{4,200})@")
_ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]{0,40}?"
    r"(?:passw(?:or)?d|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)[\w.-]{0,40})"
    r"[\"']?\s*(?:[:=]|=>)\s*(?P<quote>[\"'`]?)(?P<value>[^\s\"'`,;<>(){}\[\]]{8,400})(?P=quote)",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"example|sample|placeholder|change.?me|your|dummy|fake|redact|xxxx|\*\*\*|\.\.\.|…|\$\{?|%\(|\{\{|<|>|"
    r"0{6}|123456|abcdef|insert|replace|todo|env\b|environ|process\.|null|none|true|false|undefined|secret$|password$|"
    r"^(?:test|my)[-_]|required|optional|string|hunter2",
    re.IGNORECASE,
)
DOCUMENTED = frozenset({"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"})
"""Keys that their makers print in their own manuals."""
_MIN_ENTROPY_BITS = 3.0
_MIN_KEY_ENTROPY_BITS = 2.7

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?P<domain>[\w-]{1,63}(?:\.[\w-]{1,63}){1,6})\b")
_FICTIONAL = re.compile(
    r"(?:^|\.)(?:example\.\w+|test|invalid|localhost|example|local)$|noreply|acme\.|corp\.local", re.I
)
_ROLES = re.compile(
    r"^(?:support|security|info|admin|team|help|sales|contact|no-?reply|abuse|privacy|postmaster|git|user|press|jobs|"
    r"ops|dev|hello|billing|legal|feedback|you|me|name|first\.last|someone|foo|bar|alice|bob)@",
    re.IGNORECASE,
)
_PHONE = re.compile(r"(?<![\w+.-])\+\d[\d ().-]{8,16}\d(?![\w.-])")
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w.-])")
_TEST_CARDS = ("4111111111111111", "4242424242424242", "5555555555554444", "378282246310005", "4000056655665556")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")
_DOCUMENTED_IBANS = (
    "DE89370400440532013000",
    "GB82WEST12345698765432",
    "GB29NWBK60161331926819",
    "FR1420041010050500013M02606",
)
_SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")


class _Found(NamedTuple):
    what: str
    value: str


def entropy(text: str) -> float:
    """Shannon's, in bits a character, of the text's own letters."""
    counts = Counter(text)
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts.values()) if text else 0.0


def find_secrets(path: str, lines: Iterable[tuple[int, str]]) -> Iterator[Finding]:
    """One finding for each place. `lines` are (number, text)."""
    for number, text in lines:
        for found in _secrets_in(text):
            title = f"{found.what[0].upper()}{found.what[1:]} stands in the text: {_masked(found.value)}"
            subject = "documented" if found.value in DOCUMENTED else found.what
            yield Finding(SECRET, MUST, path, number, title,
                          "whoever can read this can use it, and it stays in the history",
                          "revoke it, take it out, and read it from the environment or a vault",
                          subject=subject, quote=_context(text, found.value))  # fmt: skip


def _secrets_in(text: str) -> Iterator[_Found]:
    if _PRIVATE_KEY.search(text):
        yield _Found("a private key", "-----BEGIN PRIVATE KEY")
    known = [_Found(f"a {name}" if name[0] not in "AO" else f"an {name}", found[0])
             for name, pattern in _KNOWN for found in pattern.finditer(text)
             if found[0] in DOCUMENTED or entropy(found[0]) >= _MIN_KEY_ENTROPY_BITS]  # fmt: skip
    yield from known
    for found in (*_IN_URL.finditer(text), *_ASSIGNED.finditer(text)):
        value = found["value"]
        is_known = any(one.value in value or value in one.value for one in known)
        if not is_known and _is_random(value, is_quoted=bool(found.groupdict().get("quote", "url"))):
            yield _Found("a password or key", value)


def _is_random(value: str, *, is_quoted: bool) -> bool:
    """Not a word, a name, a call or a placeholder: letters with digits or signs, in no order."""
    if _PLACEHOLDER.search(value) or re.fullmatch(r"[A-Za-z_.]+|[\d.:-]+|[a-z]+(?:[-_.][a-z]+)*\d?", value):
        return False
    kinds = sum(bool(re.search(kind, value)) for kind in (r"[a-z]", r"[A-Z]", r"\d", r"[^\w]"))
    least = _MIN_ENTROPY_BITS if len(value) >= 12 else 2.5
    return entropy(value) >= least and kinds >= (2 if is_quoted or len(value) >= 16 else 3)


def _masked(value: str) -> str:
    return f"`{value[:4]}...` ({len(value)} characters)"


def _context(text: str, value: str) -> str:
    return text.replace(value, "(it)").strip()[:120]


def find_personal(path: str, lines: Iterable[tuple[int, str]]) -> Iterator[Finding]:
    """What may belong to a living person. `lines` are (number, text)."""
    for number, text in lines:
        for what, value in dict.fromkeys(_persons_in(text)):
            severity = MUST if what.startswith(("a card", "an account", "a social")) else SHOULD
            yield Finding(PERSONAL, CONSIDER if what == "a telephone number" else severity, path, number,
                          f"It shows {what}: {_hidden(value)}",
                          "it may be somebody's, and documents are copied more freely than databases",
                          "use example.org, and numbers that are kept for examples", subject=what)  # fmt: skip


def _persons_in(text: str) -> Iterator[tuple[str, str]]:
    for found in _EMAIL.finditer(text):
        is_url = "://" in text[max(0, found.start() - 12) : found.start()] or text[found.end() : found.end() + 1] == ":"
        if not _FICTIONAL.search(found["domain"]) and not _ROLES.match(found[0]) and not is_url:
            yield "an e-mail address", found[0]
    for found in _PHONE.finditer(text):
        if "555" not in found[0] and 10 <= len(re.sub(r"\D", "", found[0])) <= 15:
            yield "a telephone number", found[0]
    for found in _CARD.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if digits not in _TEST_CARDS and digits[0] in "3456" and len(set(digits)) > 3 and _luhn(digits):
            yield "a card number", found[0]
    for found in _IBAN.finditer(text):
        account = found[0].replace(" ", "")
        if account not in _DOCUMENTED_IBANS and _mod_97(account):
            yield "an account number (IBAN)", found[0]
    yield from (("a social security number", found[0]) for found in _SSN.finditer(text) if found[0] != "078-05-1120")


def _hidden(value: str) -> str:
    name, at, domain = value.partition("@")
    return f"`{name[:1]}...@{domain}`" if at else f"`{value[:2]}...{value[-2:]}`"


def _luhn(digits: str) -> bool:
    """The check of ISO/IEC 7812."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled) % 10 == 0


def _mod_97(account: str) -> bool:
    """The check of ISO 13616."""
    return len(account) >= 15 and int("".join(str(int(letter, 36)) for letter in account[4:] + account[:4])) % 97 == 1
