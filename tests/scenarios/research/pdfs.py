"""Makes small PDFs of plain text, so that no file has to be taken on trust."""

from collections.abc import Sequence

__all__ = ["pdf_of"]


def pdf_of(title: str, pages: Sequence[str]) -> bytes:
    """A PDF with these pages, in Helvetica; a blank line begins a new paragraph."""
    numbers = [4 + 2 * n for n in range(len(pages))]
    kids = " ".join(f"{number} 0 R" for number in numbers)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, page in zip(numbers, pages, strict=True):
        font = "/Resources << /Font << /F1 3 0 R >> >>"
        box = "/MediaBox [0 0 595 842]"
        objects.append(f"<< /Type /Page /Parent 2 0 R {box} {font} /Contents {number + 1} 0 R >>".encode())
        objects.append(_stream(page))
    objects.append(f"<< /Title ({_escaped(title)}) >>".encode("cp1252"))
    return _file(objects)


def _stream(page: str) -> bytes:
    lines = "".join(f"({_escaped(line)}) Tj T*\n" for line in page.split("\n"))
    content = f"BT /F1 11 Tf 60 780 Td 15 TL\n{lines}ET".encode("cp1252")
    return f"<< /Length {len(content)} >>\nstream\n".encode() + content + b"\nendstream"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(objects: Sequence[bytes]) -> bytes:
    content, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(content))
        content += f"{number} 0 obj\n".encode() + body + b"\nendobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    trailer = f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    return content + f"{head}trailer\n{trailer}\nstartxref\n{len(content)}\n%%EOF\n".encode()
