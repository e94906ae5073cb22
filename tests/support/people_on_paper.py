"""Invented candidates for the resumes of the tests, with what a reader must find of them. Nobody here is real."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Post:
    """A time at an organisation; months counted from the year 0, `end` None: it goes on."""

    title: str
    organisation: str
    place: str
    start: int
    end: int | None
    did: tuple[str, ...]


@dataclass(frozen=True)
class Degree:
    """A degree."""

    name: str
    school: str
    start: int
    end: int


@dataclass(frozen=True)
class Person:
    """A candidate: what stands on paper, and what is true of it."""

    language: str
    name: str
    occupation: str
    email: str
    phone: str
    e164: str
    link: str
    street: str
    place: str
    about: str
    posts: tuple[Post, ...]
    degrees: tuple[Degree, ...]
    skills: tuple[tuple[str, str], ...]
    """As written, and as the vocabulary calls it."""
    spoken: tuple[tuple[str, str, str, str], ...]
    """As written with its level, and as it is to be found."""
    date_style: int

    def years(self, today: int) -> float:
        """Months with any post, as years: counted one by one, so that no formula of the analyser is repeated here."""
        months = {
            m for post in self.posts for m in range(post.start, (today if post.end is None else post.end) + 1)
        }
        return len(months) / 12


_FIRST = {
    "en": "Amelia Oliver Harriet Marcus Priya Dashiell Rosalind Theodore Imogen Caleb Winifred",
    "de": "Käthe Jürgen Annegret Lorenz Hannelore Rüdiger Friederike Tilmann Wiebke Götz Sieglinde",
    "fr": "Éloïse Thibault Maëlle Gaëtan Hélène Baptiste Océane Rémi Clémence Loïc Apolline",
    "es": "Íñigo Begoña Ramón Núria Álvaro Inés Jesús Lucía Martín Concepción Sofía",
}
_LAST = {
    "en": "Thornquist Okonjo-Hale Pemberly Vance Raghunathan McAllistair Featherby Quillon Ashdown O'Marrin Castellan",
    "de": "Brandtmayer Vierthaler Wölfling Sand-Kolb Quendel Pfeffer Düsterhoff Grünwaldt Ehrenpreis Zankl Hüllmann",
    "fr": (
        "Beauregardin Lefèvrier Saint-Aubert Morvanec Chantepleure d'Orvalle "
        "Pellissard Vauquelines Brémontier Tessandier Roqueval"
    ),
    "es": (
        "Zubizarretea Fontanals Peñarrubia Villaquirán Castañares Echevarrieta "
        "Montesdeoca Quintanar Solórzanes Urrutikoe Benavente"
    ),
}
_PLACES = {
    "en": (
        ("12 Larkspur Lane", "San Francisco, CA 94107", "(415) 555-01{n:02}", "+141555501{n:02}"),
        ("7 Marlowe Court", "London SW1A 1AA, United Kingdom", "020 7946 0{n:03}", "+442079460{n:03}"),
        ("88 Alder Street", "Portland, OR 97205", "+1 503 555 01{n:02}", "+150355501{n:02}"),
    ),
    "de": (
        ("Lindenstraße 14", "10969 Berlin", "030 23125{n:03}", "+493023125{n:03}"),
        ("Am Mühlbach 3", "80331 München", "+49 89 99998{n:03}", "+498999998{n:03}"),
        ("Hafenweg 27b", "20459 Hamburg", "040/66969{n:03}", "+494066969{n:03}"),
    ),
    "fr": (
        ("18 rue des Tilleuls", "75011 Paris", "01 99 00 1{n:01} {m:02}", "+33199001{n:01}{m:02}"),
        ("4 place du Marché", "69003 Lyon", "+33 6 39 98 0{n:01} {m:02}", "+33639980{n:01}{m:02}"),
        ("31 quai de la Fosse", "44000 Nantes", "02 61 91 2{n:01} {m:02}", "+33261912{n:01}{m:02}"),
    ),
    "es": (
        ("Calle del Olmo 9", "28012 Madrid", "+34 600 000 {n:03}", "+34600000{n:03}"),
        ("Carrer de Mallorca 201", "08036 Barcelona", "930 000 {n:03}", "+34930000{n:03}"),
        ("Avenida del Puerto 5", "46023 Valencia", "600 111 {n:03}", "+34600111{n:03}"),
    ),
}
# Occupation, titles from the latest back, skills (written = vocabulary where they differ), what was done.
_TRADES = {
    "en": (
        ("Software Engineer", ("Senior Software Engineer", "Backend Developer", "Junior Developer"),
         "Python|PostgreSQL|Docker|Kubernetes|REST APIs=REST|Git|AWS|FastAPI",
         ("Led the redesign of the billing platform", "Cut response times by 40%", "Mentored four colleagues")),
        ("Accountant", ("Finance Manager", "Senior Accountant", "Accounts Assistant"),
         "Excel=Microsoft Excel|QuickBooks|Payroll|Budgeting|IFRS|Invoicing",
         ("Closed the books within five days", "Introduced a new approval process", "Prepared the annual report")),
        ("Marketing Manager", ("Head of Growth", "Marketing Manager", "Marketing Intern"),
         "SEO|Google Analytics|HubSpot|Copywriting|Google Ads|Figma",
         ("Doubled the number of sign-ups", "Built a team of six", "Ran the spring campaign")),
    ),
    "de": (
        ("Softwareentwicklerin", ("Leitende Softwareentwicklerin", "Softwareentwickler", "Werkstudent Entwicklung"),
         "Java|Spring Boot|Angular|Oracle=Oracle Database|Jenkins|Scrum|Linux",
         ("Einführung einer neuen Plattform für den Zahlungsverkehr", "Betreuung von drei Auszubildenden",
          "Ablösung der alten Schnittstellen")),
        ("Kaufmännische Mitarbeiterin", ("Teamleiter Einkauf", "Sachbearbeiterin Einkauf", "Bürokauffrau"),
         "SAP|MS Office=Microsoft Office|DATEV|Buchhaltung=Accounting|Rechnungsstellung=Invoicing",
         ("Verhandlungen mit Lieferanten aus vier Ländern", "Senkung der Lagerkosten um 12 %",
          "Pflege der Stammdaten")),
        ("Maschinenbauingenieur", ("Projektleiter Konstruktion", "Entwicklungsingenieur", "Praktikant Konstruktion"),
         "SolidWorks|CATIA|FEM|Projektmanagement=Project Management|Six Sigma|MATLAB",
         ("Auslegung von Getrieben für Windräder", "Leitung eines Teams von acht Personen",
          "Versuche am Prüfstand")),
    ),
    "fr": (
        ("Développeuse web", ("Développeuse full stack", "Développeur front-end", "Stagiaire développement"),
         "JavaScript|TypeScript|React|Node.js|MongoDB|Docker|GitLab",
         ("Refonte complète de la boutique en ligne", "Accompagnement de deux alternants",
          "Mise en place de la supervision")),
        ("Comptable", ("Responsable comptable", "Comptable générale", "Assistante comptable"),
         "Sage|Excel=Microsoft Excel|Comptabilité=Accounting|Paie=Payroll|Facturation=Invoicing|Fiscalité=Taxation",
         ("Clôture mensuelle des comptes", "Suivi des relances auprès de 200 clients", "Préparation du bilan")),
        ("Infirmière", ("Infirmière cadre de santé", "Infirmier diplômé d'État", "Aide-soignante stagiaire"),
         "Soins infirmiers=Patient Care|Premiers secours=First Aid|Travail d'équipe=Teamwork",
         ("Coordination d'une équipe de douze personnes", "Formation des nouveaux arrivants",
          "Suivi des patients après opération")),
    ),
    "es": (
        ("Analista de datos", ("Analista de datos sénior", "Analista de negocio", "Becario de análisis"),
         "SQL|Python|Power BI|Tableau|Estadística=Statistics|pandas",
         ("Cuadros de mando para la dirección", "Reducción del tiempo de informe a la mitad",
          "Formación de usuarios internos")),
        ("Ingeniera industrial", ("Jefa de producción", "Ingeniera de procesos", "Ingeniera en prácticas"),
         "AutoCAD|Lean=Lean Management|Six Sigma|Gestión de proyectos=Project Management|SAP|ISO 9001",
         ("Puesta en marcha de una línea nueva", "Ahorro anual de 300.000 euros", "Planificación de turnos")),
        ("Responsable de tienda", ("Gerente de tienda", "Vendedora", "Auxiliar de caja"),
         "Atención al cliente=Customer Service|Ventas=Sales|Inventario=Inventory Management|Negociación=Negotiation",
         ("Aumento de las ventas en un 18 %", "Selección de ocho empleados", "Apertura de dos locales")),
    ),
}  # fmt: skip
_FIRMS = {
    "en": ("Brightwater Ltd", "Copperfield Systems Inc", "Halcyon & Reed", "Northgate Logistics", "Juniper Labs"),
    "de": ("Nordlicht GmbH", "Walzwerke Ostheim AG", "Müller & Söhne KG", "Stadtwerke Altenau", "Kranich Verlag"),
    "fr": ("Atelier Lumen SAS", "Groupe Belrive", "Clinique des Ormes", "Transports Vallonne SA", "Noria Conseil SARL"),
    "es": ("Grupo Alameda", "Talleres Ribera S.L.", "Hospital San Telmo", "Aceros del Norte S.A.", "Librería Faro"),
}  # fmt: skip
_TOWNS = {
    "en": ("Leeds", "Boston", "Austin", "Bristol"), "de": ("Köln", "Leipzig", "Bremen", "Ulm"),
    "fr": ("Lille", "Nantes", "Rennes", "Dijon"), "es": ("Sevilla", "Bilbao", "Gijón", "Murcia"),
}  # fmt: skip
_DEGREES = {
    "en": (("MSc Computer Science", "University of Westmarch"), ("BSc Economics", "Eastbrook College"),
           ("Bachelor of Arts in Media", "Lakeside University")),
    "de": (("Master of Science Informatik", "Technische Universität Bernau"),
           ("Diplom-Kaufmann", "Universität Hohenfeld"), ("Bachelor Maschinenbau", "Hochschule Rheinau")),
    "fr": (("Master Informatique", "Université de Valmont"), ("BTS Comptabilité", "Lycée Jean-Moreau"),
           ("Licence de gestion", "Université des Deux-Rives")),
    "es": (("Grado en Matemáticas", "Universidad de Ribaseca"),
           ("Máster en Dirección de Empresas", "Escuela de Negocios del Sur"),
           ("Ingeniería Industrial", "Universidad Politécnica de Alcor")),
}  # fmt: skip
_SPOKEN = {
    "en": (("English", "native", "English", "native"), ("Spanish", "B2", "Spanish", "B2"),
           ("German", "basic knowledge", "German", "basic")),
    "de": (("Deutsch", "Muttersprache", "German", "native"), ("Englisch", "fließend", "English", "fluent"),
           ("Französisch", "Grundkenntnisse", "French", "basic")),
    "fr": (("Français", "langue maternelle", "French", "native"), ("Anglais", "courant", "English", "fluent"),
           ("Italien", "A2", "Italian", "A2")),
    "es": (("Español", "nativo", "Spanish", "native"), ("Inglés", "C1", "English", "C1"),
           ("Portugués", "básico", "Portuguese", "basic")),
}  # fmt: skip
_ABOUT = {
    "en": "A practical person with an eye for detail who likes to finish what was begun, and to explain it to others.",
    "de": "Praktisch veranlagt, mit Blick für das Wesentliche und Freude an der Arbeit mit Menschen aus aller Welt.",
    "fr": "Une personne pratique et curieuse, qui aime mener les choses à leur terme et les expliquer aux autres.",
    "es": "Persona práctica y curiosa, que disfruta de terminar lo que empieza y de explicarlo a los demás.",
}


def people(each: int) -> Iterator[Person]:
    """So many candidates in each language, always the same ones."""
    chance = random.Random(20261122)
    number = count(11)
    for language in ("en", "de", "fr", "es"):
        first, last = _FIRST[language].split(), _LAST[language].split()
        for index in range(each):
            yield _person(
                chance, language, first[index % len(first)], last[index % len(last)], index, next(number)
            )


def _person(chance: random.Random, language: str, first: str, last: str, index: int, number: int) -> Person:
    occupation, titles, written, did = _TRADES[language][index % 3]
    street, place, phone, e164 = _PLACES[language][index % 3]
    plain = _ascii(f"{first}.{last}").lower()
    email = (
        f"{plain}@example.org",
        f"{plain[0]}{_ascii(last).lower()}@example.com",
        f"post{number}@example.net",
    )[index % 3]
    skills = [skill.partition("=") for skill in written.split("|")]
    return Person(
        language=language, name=f"{first} {last}", occupation=occupation, email=email,
        phone=phone.format(n=number % 10 if language == "fr" else number, m=number),
        e164=e164.format(n=number % 10 if language == "fr" else number, m=number),
        link=f"linkedin.com/in/{plain.replace('.', '-')}", street=street, place=place, about=_ABOUT[language],
        posts=_posts(chance, language, titles, did, index), degrees=_degrees(chance, language, index),
        skills=tuple((w, called or w) for w, _, called in skills), spoken=_SPOKEN[language], date_style=index,
    )  # fmt: skip


def _posts(
    chance: random.Random, language: str, titles: tuple[str, ...], did: tuple[str, ...], index: int
) -> tuple[Post, ...]:
    firms = chance.sample(_FIRMS[language], 3)
    end = None if index % 2 == 0 else 2025 * 12 + chance.randrange(8)
    at = (2026 * 12 + 9 if end is None else end) - chance.randrange(20, 60)
    posts = []
    for title, firm in zip(titles, firms, strict=True):
        posts.append(Post(title, firm, chance.choice(_TOWNS[language]), at, end, did))
        # Every third candidate began the next post before the last one ended.
        end = at + 5 if index % 3 == 1 and len(posts) == 1 else at - chance.randrange(1, 8)
        at = end - chance.randrange(9, 50)
    return tuple(posts)


def _degrees(chance: random.Random, language: str, index: int) -> tuple[Degree, ...]:
    listed = _DEGREES[language]
    end = 2012 + chance.randrange(3)
    chosen = [listed[index % 3], listed[(index + 1) % 3]]
    return tuple(
        Degree(name, school, end - 3 * n - 3, end - 3 * n) for n, (name, school) in enumerate(chosen)
    )


def _ascii(text: str) -> str:
    import unicodedata

    text = text.replace("ß", "ss").replace("'", "").replace("-", "")
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
