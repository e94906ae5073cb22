"""Resumes on paper: invented people in ten layouts and four languages, as PDF and Word; and files that are bad."""

import io
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import docx
from docx.shared import Pt
from reportlab.lib.pagesizes import A4
from reportlab.lib.utils import simpleSplit
from reportlab.pdfgen.canvas import Canvas

from tests.support.people_on_paper import Person, Post, people

_WIDTH, _HEIGHT = A4
_BOLD, _PLAIN = "Helvetica-Bold", "Helvetica"

_HEADINGS = {
    "en": ("Profile", "Work Experience", "Education", "Skills", "Languages", "References", "Contact"),
    "de": ("Kurzprofil", "Berufserfahrung", "Ausbildung", "Kenntnisse", "Sprachen", "Referenzen", "Kontakt"),
    "fr": ("Profil", "Expérience professionnelle", "Formation", "Compétences", "Langues", "Références", "Coordonnées"),
    "es": ("Perfil", "Experiencia laboral", "Formación académica", "Habilidades", "Idiomas", "Referencias", "Contacto"),
}  # fmt: skip
_MONTHS = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
}
_NOW = {"en": "Present", "de": "heute", "fr": "aujourd'hui", "es": "actualidad"}
_REFEREE = "Dr. Iris Halvorsen, iris.halvorsen@referee.example, +47 22 00 00 00"


@dataclass(frozen=True)
class Paper:
    """A resume as a file, with the person it is about."""

    path: Path
    person: Person
    layout: str


def make_all(folder: Path) -> list[Paper]:
    """44 resumes: every layout in every language, some twice."""
    papers = []
    per_language: dict[str, int] = {}
    for person in people(11):
        index = per_language.get(person.language, 0)
        per_language[person.language] = index + 1
        layout, make = list(LAYOUTS.items())[index % len(LAYOUTS)]
        suffix = "docx" if layout.startswith("word") else "pdf"
        path = folder / f"{person.language}-{index:02}-{layout}.{suffix}"
        make(person, path)
        papers.append(Paper(path, person, layout))
    return papers


# --- words ------------------------------------------------------------------------------------------------------------


def _heading(person: Person, number: int) -> str:
    return _HEADINGS[person.language][number]


def _point(person: Person, months: int) -> str:
    year, month = divmod(months, 12)
    name = _MONTHS[person.language][month]
    of = "de " if person.language == "es" else ""
    return (f"{name} {of}{year}", f"{month + 1:02}/{year}", f"{month + 1:02}.{year}")[person.date_style % 3]


def _period(person: Person, post: Post) -> str:
    end = _NOW[person.language] if post.end is None else _point(person, post.end)
    to = {"de": " bis ", "fr": " à ", "es": " a "}.get(person.language, " to ")
    between = (" – ", " - ", to)[(person.date_style + person.date_style // 3) % 3]
    if between == " à " and post.end is None:
        between = " – "
    return f"{_point(person, post.start)}{between}{end}"


def _contacts(person: Person) -> list[str]:
    return [f"{person.street}, {person.place}", person.phone, person.email, person.link]


def _skills(person: Person) -> list[str]:
    return [written for written, _ in person.skills]


def _spoken(person: Person) -> list[str]:
    return [f"{name} ({level})" for name, level, *_ in person.spoken]


# --- PDF --------------------------------------------------------------------------------------------------------------


class _Column:
    """A pen that goes down a column and wraps."""

    def __init__(self, canvas: Canvas, x: float, width: float, y: float = _HEIGHT - 60) -> None:
        self.canvas, self.x, self.width, self.y = canvas, x, width, y

    def write(self, text: str, size: float = 10, font: str = _PLAIN, indent: float = 0) -> None:
        for line in simpleSplit(text, font, size, self.width - indent):
            self.canvas.setFont(font, size)
            self.canvas.drawString(self.x + indent, self.y, line)
            self.y -= size * 1.35

    def beside(self, text: str, size: float = 10) -> None:
        """At the right end of the line that comes next."""
        self.canvas.setFont(_PLAIN, size)
        self.canvas.drawRightString(self.x + self.width, self.y, text)

    def gap(self, points: float = 9) -> None:
        self.y -= points

    def heading(self, text: str, size: float = 12) -> None:
        self.gap(12)
        self.write(text, size, _BOLD)
        self.gap(4)


def _canvas(path: Path) -> Canvas:
    return Canvas(str(path), pagesize=A4, invariant=True)


def _pdf_plain(person: Person, path: Path) -> None:
    """One column; the title of a post and its employer on one line, the dates at the right."""
    canvas = _canvas(path)
    pen = _Column(canvas, 56, _WIDTH - 112)
    pen.write(person.name, 22, _BOLD)
    pen.gap(6)
    pen.write(" | ".join(_contacts(person)[:3]))
    pen.write(person.link)
    pen.heading(_heading(person, 0).upper())
    pen.write(person.about)
    pen.heading(_heading(person, 1).upper())
    for post in person.posts:
        pen.beside(_period(person, post))
        pen.write(f"{post.title}, {post.organisation}", 10, _BOLD)
        _did(pen, post.did)
    pen.heading(_heading(person, 2).upper())
    for degree in person.degrees:
        pen.beside(f"{degree.start} – {degree.end}")
        pen.write(f"{degree.name}, {degree.school}")
    pen.heading(_heading(person, 3).upper())
    pen.write(", ".join(_skills(person)))
    pen.heading(_heading(person, 4).upper())
    pen.write(", ".join(_spoken(person)))
    canvas.save()


def _did(pen: _Column, lines: Sequence[str]) -> None:
    for line in lines:
        pen.write(f"• {line}", indent=10)
    pen.gap(7)


def _pdf_sidebar(person: Person, path: Path, *, at_right: bool = False) -> None:
    """Contacts, skills and languages in a narrow column, the rest in a wide one."""
    canvas = _canvas(path)
    top = _Column(canvas, 56, _WIDTH - 112)
    top.write(person.name.upper(), 24, _BOLD)
    top.write(person.occupation, 12)
    narrow_x, wide_x = (_WIDTH - 200, 50) if at_right else (50, 230)
    narrow = _Column(canvas, narrow_x, 150, _HEIGHT - 120)
    wide = _Column(canvas, wide_x, _WIDTH - 280, _HEIGHT - 123)
    narrow.heading(_heading(person, 6))
    for line in (person.street, person.place, person.phone, person.email, person.link):
        narrow.write(line, 9)
    narrow.heading(_heading(person, 3))
    for skill in _skills(person):
        narrow.write(skill, 9)
    narrow.heading(_heading(person, 4))
    for name, level, *_ in person.spoken:
        narrow.write(f"{name}: {level}", 9)
    wide.heading(_heading(person, 0))
    wide.write(person.about)
    wide.heading(_heading(person, 1))
    for post in person.posts:
        wide.write(post.title, 11, _BOLD)
        wide.write(f"{post.organisation} | {_period(person, post)}")
        _did(wide, post.did)
    wide.heading(_heading(person, 2))
    for degree in person.degrees:
        wide.write(degree.name, 10, _BOLD)
        wide.write(f"{degree.school}, {degree.start} - {degree.end}")
        wide.gap()
    canvas.save()


def _pdf_margin(person: Person, path: Path) -> None:
    """Dates in the left margin, as German and French readers know it; labels at the contacts."""
    canvas = _canvas(path)
    pen = _Column(canvas, 200, _WIDTH - 256)
    pen.x = 56
    title = {"en": "Curriculum Vitae", "de": "Lebenslauf", "fr": "Curriculum vitae", "es": "Currículum vitae"}
    pen.write(title[person.language], 20, _BOLD)
    label = {"de": "Telefon", "fr": "Téléphone", "es": "Teléfono"}.get(person.language, "Phone")
    name = {"de": "Name", "fr": "Nom", "es": "Nombre"}.get(person.language, "Name")
    street = {"de": "Anschrift", "fr": "Adresse", "es": "Dirección"}.get(person.language, "Address")
    pen.heading(_heading(person, 6))
    pairs = [
        (name, person.name),
        (street, f"{person.street}, {person.place}"),
        (label, person.phone),
        ("E-Mail", person.email),
    ]
    for left, right in pairs:
        _margin(canvas, pen, f"{left}:", [right])
    pen.heading(_heading(person, 1))
    for post in person.posts:
        _margin(
            canvas,
            pen,
            _period(person, post),
            [post.title, f"{post.organisation}, {post.place}", *(f"• {d}" for d in post.did)],
        )
        pen.gap(8)
    pen.heading(_heading(person, 2))
    for degree in person.degrees:
        _margin(canvas, pen, f"{degree.start} – {degree.end}", [degree.name, degree.school])
        pen.gap(6)
    pen.heading(_heading(person, 3))
    pen.write(" • ".join(_skills(person)))
    pen.heading(_heading(person, 4))
    for spoken, level, *_ in person.spoken:
        _margin(canvas, pen, spoken, [level])
    canvas.save()


def _margin(canvas: Canvas, pen: _Column, left: str, right: Sequence[str]) -> None:
    canvas.setFont(_PLAIN, 10)
    canvas.drawString(56, pen.y, left)
    for line in right:
        pen.write(line, indent=170)


def _pdf_header_footer(person: Person, path: Path) -> None:
    """Contacts in the head of the page, employer before title, a footer, a referee, small letters."""
    canvas = _canvas(path)
    canvas.setFont(_PLAIN, 8)
    canvas.drawCentredString(_WIDTH / 2, _HEIGHT - 30, " · ".join(_contacts(person)))
    canvas.drawCentredString(_WIDTH / 2, 24, f"{person.name} – 1/1")
    pen = _Column(canvas, 70, _WIDTH - 140, _HEIGHT - 70)
    canvas.setFont(_BOLD, 18)
    canvas.drawCentredString(_WIDTH / 2, pen.y, person.name)
    pen.gap(24)
    pen.heading(_heading(person, 3), 11)
    for skill in _skills(person):
        pen.write(f"- {skill}", 9)
    pen.heading(_heading(person, 1), 11)
    for post in person.posts:
        pen.write(f"{post.organisation} — {post.place}", 9, _BOLD)
        pen.write(f"{post.title} | {_period(person, post)}", 9)
        for line in post.did:
            pen.write(f"- {line}", 9, indent=8)
        pen.gap()
    pen.heading(_heading(person, 2), 11)
    for degree in person.degrees:
        pen.write(f"{degree.school}: {degree.name} ({degree.end})", 9)
    pen.heading(_heading(person, 4), 11)
    pen.write(" | ".join(f"{name} {level}" for name, level, *_ in person.spoken), 9)
    pen.heading(_heading(person, 5), 11)
    pen.write(_REFEREE, 9)
    canvas.save()


def _pdf_dense(person: Person, path: Path) -> None:
    """Everything on few lines: "Title (dates), employer", skills by colon, letterspaced headings."""
    canvas = _canvas(path)
    pen = _Column(canvas, 40, _WIDTH - 80)
    pen.write(f"{person.name} – {person.occupation}", 14, _BOLD)
    pen.write(f"{person.street}, {person.place}", 9)
    pen.write(f"{person.email}   {person.phone}", 9)
    pen.heading(_spaced(person, 1), 10)
    for post in person.posts:
        pen.write(f"{post.title} ({_period(person, post)})", 9, _BOLD)
        pen.write(post.organisation, 9)
        for line in post.did:
            pen.write(f"• {line}", 9)
    pen.heading(_spaced(person, 2), 10)
    for degree in person.degrees:
        pen.write(f"{degree.end}\xa0 {degree.name}, {degree.school}", 9)
    pen.gap()
    pen.write(f"{_heading(person, 3)}: {'; '.join(_skills(person))}", 9)
    pen.write(
        f"{_heading(person, 4)}: {', '.join(f'{name} - {level}' for name, level, *_ in person.spoken)}", 9
    )
    canvas.save()


def _spaced(person: Person, number: int) -> str:
    words = _heading(person, number).upper().split()
    return " ".join(words[-1] if person.language == "en" else words[0])


# --- Word -------------------------------------------------------------------------------------------------------------


def _word_plain(person: Person, path: Path) -> None:
    document = docx.Document()
    document.add_heading(person.name, 0)
    document.add_paragraph(" | ".join(_contacts(person)))
    document.add_heading(_heading(person, 0), 1)
    document.add_paragraph(person.about)
    document.add_heading(_heading(person, 1), 1)
    for post in person.posts:
        document.add_paragraph(f"{post.title}\t{_period(person, post)}")
        document.add_paragraph(f"{post.organisation}, {post.place}")
        for line in post.did:
            document.add_paragraph(line, style="List Bullet")
    document.add_heading(_heading(person, 2), 1)
    for degree in person.degrees:
        document.add_paragraph(f"{degree.name}\t{degree.start} – {degree.end}")
        document.add_paragraph(degree.school)
    document.add_heading(_heading(person, 3), 1)
    for skill in _skills(person):
        document.add_paragraph(skill, style="List Bullet")
    document.add_heading(_heading(person, 4), 1)
    for spoken in _spoken(person):
        document.add_paragraph(spoken, style="List Bullet")
    document.save(str(path))


def _word_table(person: Person, path: Path) -> None:
    """A table with dates at the left: what `Document.paragraphs` does not see."""
    document = docx.Document()
    run = document.add_paragraph().add_run(person.name)
    run.bold, run.font.size = True, Pt(20)
    for line in _contacts(person):
        document.add_paragraph(line)
    document.add_paragraph(_heading(person, 1))
    table = document.add_table(0, 2)
    for post in person.posts:
        left, right = table.add_row().cells
        left.text = _period(person, post)
        right.text = "\n".join([f"{post.title}", post.organisation, *(f"- {line}" for line in post.did)])
    document.add_paragraph(_heading(person, 2))
    table = document.add_table(0, 2)
    for degree in person.degrees:
        left, right = table.add_row().cells
        left.text, right.text = f"{degree.start} - {degree.end}", f"{degree.name}, {degree.school}"
    document.add_paragraph(_heading(person, 3))
    document.add_paragraph(", ".join(_skills(person)))
    document.add_paragraph(_heading(person, 4))
    table = document.add_table(0, 2)
    for name, level, *_ in person.spoken:
        left, right = table.add_row().cells
        left.text, right.text = name, level
    document.save(str(path))


def _word_header(person: Person, path: Path) -> None:
    """Name and contacts in the header of the page; a referee at the end."""
    document = docx.Document()
    header = document.sections[0].header
    header.paragraphs[0].text = person.name
    for line in _contacts(person):
        header.add_paragraph(line)
    for number, section in ((1, _word_posts), (2, _word_degrees)):
        document.add_heading(_heading(person, number), 2)
        section(document, person)
    document.add_heading(_heading(person, 3), 2)
    document.add_paragraph(" · ".join(_skills(person)))
    document.add_heading(_heading(person, 4), 2)
    document.add_paragraph(" · ".join(_spoken(person)))
    document.add_heading(_heading(person, 5), 2)
    document.add_paragraph(_REFEREE)
    document.save(str(path))


def _word_posts(document: "docx.document.Document", person: Person) -> None:
    for post in person.posts:
        document.add_paragraph(f"{post.organisation}")
        document.add_paragraph(f"{post.title}, {_period(person, post)}")
        for line in post.did:
            document.add_paragraph(line, style="List Bullet")


def _word_degrees(document: "docx.document.Document", person: Person) -> None:
    for degree in person.degrees:
        document.add_paragraph(f"{degree.start}–{degree.end}: {degree.name} – {degree.school}")


def _word_sidebar(person: Person, path: Path) -> None:
    """One table of two cells, as many templates have it."""
    document = docx.Document()
    left, right = document.add_table(1, 2).rows[0].cells
    narrow = [
        _heading(person, 6),
        *_contacts(person),
        "",
        _heading(person, 3),
        *_skills(person),
        "",
        _heading(person, 4),
        *_spoken(person),
    ]
    for line in narrow:
        left.add_paragraph(line)
    name = right.add_paragraph().add_run(person.name)
    name.bold, name.font.size = True, Pt(24)
    right.add_paragraph(_heading(person, 0))
    right.add_paragraph(person.about)
    right.add_paragraph(_heading(person, 1))
    for post in person.posts:
        right.add_paragraph(_period(person, post))
        right.add_paragraph(post.title)
        right.add_paragraph(post.organisation)
        for line in post.did:
            right.add_paragraph(line, style="List Bullet")
    right.add_paragraph(_heading(person, 2))
    for degree in person.degrees:
        right.add_paragraph(f"{degree.start} – {degree.end}")
        right.add_paragraph(degree.name)
        right.add_paragraph(degree.school)
    document.save(str(path))


LAYOUTS: dict[str, Callable[[Person, Path], None]] = {
    "plain": _pdf_plain,
    "word-plain": _word_plain,
    "sidebar": _pdf_sidebar,
    "word-table": _word_table,
    "margin": _pdf_margin,
    "word-header": _word_header,
    "header-footer": _pdf_header_footer,
    "word-sidebar": _word_sidebar,
    "dense": _pdf_dense,
    "sidebar-right": partial(_pdf_sidebar, at_right=True),
}


# --- bad ones ---------------------------------------------------------------------------------------------------------


def good_pdf(path: Path, *extra: str) -> Path:
    """A resume in one column, with lines of the test's own at its end."""
    _pdf_plain(next(people(1)), path)
    if extra:
        from pypdf import PdfReader, PdfWriter

        page = io.BytesIO()
        canvas = Canvas(page, pagesize=A4)
        pen = _Column(canvas, 56, _WIDTH - 112)
        for line in extra:
            pen.write(line)
        canvas.save()
        writer = PdfWriter(clone_from=PdfReader(path))
        writer.append(PdfReader(page))
        writer.write(path)
    return path


def encrypted_pdf(path: Path, password: str = "secret") -> Path:
    """One that asks for a password; with an empty one, one that only forbids to print."""
    from pypdf import PdfReader, PdfWriter

    good_pdf(path)
    writer = PdfWriter(clone_from=PdfReader(path))
    writer.encrypt(password, "owner", algorithm="AES-256")
    writer.write(path)
    return path


def scanned_pdf(path: Path) -> Path:
    """A picture of a page, and no letter."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    canvas = _canvas(path)
    canvas.drawImage(ImageReader(Image.effect_noise((600, 800), 60).convert("L")), 0, 0, _WIDTH, _HEIGHT)
    canvas.save()
    return path


def blank_pdf(path: Path) -> Path:
    """A page with nothing on it."""
    canvas = _canvas(path)
    canvas.showPage()
    canvas.save()
    return path


def long_pdf(path: Path, pages: int = 51) -> Path:
    """More pages than a resume has."""
    canvas = _canvas(path)
    for number in range(pages):
        canvas.drawString(50, 700, f"This is page {number} of a very long document")
        canvas.showPage()
    canvas.save()
    return path


def truncated(path: Path) -> Path:
    """The first third of a PDF."""
    whole = good_pdf(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    return path


def huge_picture_pdf(path: Path) -> Path:
    """A picture of 40,000 by 40,000 points in a few kilobytes, beside the text of a resume."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import DictionaryObject, NameObject, NumberObject, StreamObject

    good_pdf(path)
    writer = PdfWriter(clone_from=PdfReader(path))
    picture = StreamObject()
    sides = {
        "/Width": NumberObject(40_000),
        "/Height": NumberObject(40_000),
        "/BitsPerComponent": NumberObject(8),
    }
    names = {
        "/Type": "/XObject",
        "/Subtype": "/Image",
        "/ColorSpace": "/DeviceGray",
        "/Filter": "/FlateDecode",
    }
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(2**20)) for _ in range(64)) + packer.flush()
    picture._data = rows
    picture.update({NameObject(key): value for key, value in sides.items()})
    picture.update({NameObject(key): NameObject(value) for key, value in names.items()})
    page: Any = writer.pages[0]
    reference = writer._add_object(picture)
    resources = page["/Resources"].get_object()
    resources[NameObject("/XObject")] = DictionaryObject({NameObject("/Big"): reference})
    drawing = StreamObject()
    drawing._data = page["/Contents"].get_object().get_data() + b"\nq 500 0 0 500 0 0 cm /Big Do Q\n"
    page[NameObject("/Contents")] = writer._add_object(drawing)
    writer.write(path)
    return path


def hungry_pdf(path: Path) -> Path:
    """A page whose drawing unpacks from 400 KB to 400 MB."""
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import NameObject, StreamObject

    blank_pdf(path)
    writer = PdfWriter(clone_from=PdfReader(path))
    stream = StreamObject()
    packer = zlib.compressobj(9)
    stream._data = b"".join(packer.compress(b" " * 2**20) for _ in range(400)) + packer.flush()
    stream[NameObject("/Filter")] = NameObject("/FlateDecode")
    writer.pages[0][NameObject("/Contents")] = writer._add_object(stream)
    writer.write(path)
    return path


def _word_parts(path: Path) -> dict[str, bytes]:
    buffer = io.BytesIO()
    document = docx.Document()
    document.add_paragraph("Nobody in particular")
    document.save(buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _word_of(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def bomb(path: Path) -> Path:
    """A Word file that unpacks to 200 MB of spaces."""
    parts = _word_parts(path)
    parts["word/media/image1.xml"] = b" " * (200 * 2**20)
    return _word_of(path, parts)


def lying_bomb(path: Path) -> Path:
    """One that unpacks to 64 MB, and says in its index that it is small."""
    parts = _word_parts(path)
    parts["word/document.xml"] = parts["word/document.xml"].replace(
        b"<w:body>", b"<w:body>" + b" " * (64 * 2**20)
    )
    _word_of(path, parts)
    raw = bytearray(path.read_bytes())
    size = len(parts["word/document.xml"]).to_bytes(4, "little")
    path.write_bytes(bytes(raw).replace(size, (5_000).to_bytes(4, "little")))
    return path


def entities(path: Path) -> Path:
    """A billion laughs."""
    parts = _word_parts(path)
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    kind = f'<!DOCTYPE w [<!ENTITY l0 "ha">{laughs}]>'.encode()
    document = parts["word/document.xml"].replace(b"Nobody in particular", b"&l9;")
    head, _, body = document.partition(b"?>")
    parts["word/document.xml"] = head + b"?>" + kind + body
    return _word_of(path, parts)


def outside_entity(path: Path, other: Path) -> Path:
    """One that asks for a file of the worker."""
    parts = _word_parts(path)
    head, _, body = parts["word/document.xml"].replace(b"Nobody in particular", b"&x;").partition(b"?>")
    parts["word/document.xml"] = (
        head + f'?><!DOCTYPE w [<!ENTITY x SYSTEM "{other.as_uri()}">]>'.encode() + body
    )
    return _word_of(path, parts)


def empty_word(path: Path) -> Path:
    """A Word file without a word."""
    docx.Document().save(str(path))
    return path


def spreadsheet(path: Path) -> Path:
    """A zip that is no Word file."""
    return _word_of(path, {"xl/workbook.xml": b"<x/>"})


def old_word(path: Path) -> Path:
    """The head of a .doc."""
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4096))
    return path


def encrypted_word(path: Path) -> Path:
    """The container in which Word keeps what it encrypts."""
    name = "EncryptedPackage".encode("utf-16-le")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1024) + name + bytes(4096))
    return path


def damaged_word(path: Path) -> Path:
    """A Word file whose XML breaks off."""
    parts = _word_parts(path)
    parts["word/document.xml"] = parts["word/document.xml"][:-40]
    return _word_of(path, parts)
