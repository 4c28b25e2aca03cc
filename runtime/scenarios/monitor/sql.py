"""The first value a query gives, from SQLite or PostgreSQL; it may only read, and ends in time. psycopg's room.

Raises `TimeoutError`, and `ConnectionError` with a sentence for everything else the database says.
"""

import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

__all__ = ["first_value"]

_OPCODES = 10_000
"""SQLite looks at the clock after so many instructions."""


def first_value(url: str, query: str, timeout_s: float, folder: str) -> Any:
    """The first column of the first row; None without a row."""
    if url.startswith("sqlite:"):
        return _sqlite(Path(folder, url.removeprefix("sqlite:").removeprefix("//")), query, timeout_s)
    return _postgres(url, query, timeout_s)


def _sqlite(path: Path, query: str, timeout_s: float) -> Any:
    deadline = time.monotonic() + timeout_s
    try:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=timeout_s)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > deadline, _OPCODES)
            row = connection.execute(query).fetchone()
        finally:
            connection.close()
    except sqlite3.Error as error:
        if time.monotonic() > deadline:
            raise TimeoutError from error
        raise ConnectionError(0, str(error)) from error
    return row[0] if row else None


def _postgres(url: str, query: str, timeout_s: float) -> Any:
    try:
        import psycopg
    except ImportError as error:
        raise ImportError("PostgreSQL is looked at with psycopg: pip install 'fleetlog[postgres]'") from error
    limit_ms = max(1, round(timeout_s * 1000))
    options = f"-c statement_timeout={limit_ms} -c lock_timeout={limit_ms} -c default_transaction_read_only=on"
    try:
        with psycopg.connect(
            url, connect_timeout=max(2, round(timeout_s)), options=options, autocommit=True
        ) as connection:
            row = connection.execute(query.encode()).fetchone()
    except (psycopg.errors.QueryCanceled, psycopg.errors.ConnectionTimeout) as error:
        raise TimeoutError from error
    except psycopg.Error as error:
        raise ConnectionError(0, _short(error)) from error
    return row[0] if row else None


def _short(error: Exception) -> str:
    """The last line that says what is wrong, without addresses (which come with every attempt)."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next(
        (line for line in lines if "FATAL" in line or "ERROR" in line), lines[0] if lines else type(error).__name__
    )
    return said.rpartition("FATAL: ")[2].strip().rpartition("failed: ")[2].strip()
