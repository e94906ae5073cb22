"""Resumes as plain text, written in as many ways as there are of them, before the rules had seen any. All invented."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Written:
    """A resume in words, and what is true of it."""

    name: str
    e164: str | None
    years: float
    posts: tuple[tuple[str, str], ...]
    degrees: tuple[tuple[str, str], ...]
    text: str


WRITTEN = (
    Written(
        "John Q. Exampleman",
        "+12065550134",
        9.8,
        (("Staff Data Engineer", "Contoso Analytics"), ("Data Engineer", "Fabrikam Inc.")),
        (("B.S. in Computer Science", "Oregon State University"),),
        """\
JOHN Q. EXAMPLEMAN
Seattle, WA | john.ex@example.com | 206-555-0134 | github.com/johnex

SUMMARY
Data engineer with 8+ years building pipelines.

TECHNICAL SKILLS
Languages: Python, Scala, SQL
Big data: Spark, Kafka, Airflow, Snowflake
Cloud: AWS (S3, Lambda), Terraform

PROFESSIONAL EXPERIENCE
Contoso Analytics, Seattle, WA
Staff Data Engineer    June 2021 - Present
• Built a streaming platform handling 2M events/s.
• Reduced Snowflake spend by 35%.
Fabrikam Inc., Portland, OR
Data Engineer    Mar 2017 – May 2021
• Migrated ETL from Informatica to Airflow.

EDUCATION
B.S. in Computer Science, Oregon State University, 2016
""",
    ),
    Written(
        "Maximilian Probst-Weber",
        "+491711234567",
        12.2,
        (("Senior Controller", "Beispiel Automotive GmbH"), ("Junior Controller", "Muster AG")),
        (("Master of Science (1,8)", "Universität Hohenheim"), ("Abitur", "Schiller-Gymnasium Ludwigsburg")),
        """\
Lebenslauf

Persönliche Daten
Name:	Maximilian Probst-Weber
Geburtsdatum:	12.04.1988
Familienstand:	verheiratet
Adresse:	Gartenstr. 5, 70173 Stuttgart
Mobil:	0171 1234567
E-Mail:	m.probst@example.de

Beruflicher Werdegang
seit 04/2020	Senior Controller
	Beispiel Automotive GmbH, Stuttgart
	- Monatsabschlüsse nach IFRS und HGB
	- Einführung SAP S/4HANA
09/2014 – 03/2020	Junior Controller
	Muster AG, Esslingen
	- Budgetierung und Forecast

Studium
10/2009 – 08/2014	Studium der Betriebswirtschaftslehre, Universität Hohenheim
	Abschluss: Master of Science (1,8)

Schulbildung
2000 – 2008	Abitur, Schiller-Gymnasium Ludwigsburg

EDV-Kenntnisse
SAP FI/CO, MS Excel (sehr gut), Power BI

Sprachkenntnisse
Deutsch (Muttersprache), Englisch (C1), Spanisch (A2)
""",
    ),
    Written(
        "Camille Durand-Exemple",
        "+33639981122",
        9.9,
        (
            ("Cheffe de projet digital", "Agence Modèle"),
            ("Chargée de communication", "Mairie d'Exempleville"),
            ("Stage", "Société Test SARL"),
        ),
        (
            ("Master Communication numérique", "Université Toulouse 2"),
            ("Licence Information-Communication", "Université Paul-Valéry"),
        ),
        """\
Camille Durand-Exemple
Cheffe de projet digital
32 ans, permis B
12 avenue Jean Jaurès, 31000 Toulouse
06 39 98 11 22 – camille.durand@example.fr

EXPÉRIENCES PROFESSIONNELLES
Depuis septembre 2021 : Cheffe de projet digital, Agence Modèle (Toulouse)
Pilotage de projets web, gestion d'une équipe de 4 personnes
De janvier 2018 à août 2021 : Chargée de communication, Mairie d'Exempleville
Rédaction web, réseaux sociaux
2016 - 2017 : Stage, Société Test SARL

FORMATION
2017 : Master Communication numérique, Université Toulouse 2
2014 : Licence Information-Communication, Université Paul-Valéry

COMPÉTENCES
WordPress, SEO, Google Analytics, Photoshop, gestion de projet

LANGUES
Anglais : courant (TOEIC 900)
Espagnol : scolaire
""",
    ),
    Written(
        "Laura Ejemplo Martínez",
        "+34600123456",
        10.5,
        (("Enfermera en UCI", "Hospital Ficticio de Zaragoza"), ("Enfermera", "Clínica Modelo")),
        (("Grado en Enfermería", "Universidad de Zaragoza"),),
        """\
CURRÍCULUM VITAE

DATOS PERSONALES
Nombre y apellidos: Laura Ejemplo Martínez
Dirección: C/ Mayor 10, 50001 Zaragoza
Teléfono: 600 123 456
Email: laura.ejemplo@example.es

EXPERIENCIA PROFESIONAL
Enfermera en UCI – Hospital Ficticio de Zaragoza
Marzo 2019 – Actualidad
Enfermera – Clínica Modelo
Junio 2016 – Febrero 2019

FORMACIÓN ACADÉMICA
Grado en Enfermería. Universidad de Zaragoza (2012-2016)

IDIOMAS
Inglés: B2 (First Certificate)
Catalán: nivel medio
""",
    ),
    Written(
        "Priya N. Testwala",
        "+447700900123",
        6.9,
        (("Lead Product Designer", "Sample Bank"), ("Product Designer", "Placeholder Ltd")),
        (("BA (Hons) Graphic Design", "University of the Imaginary"),),
        """\
Priya N. Testwala
Product Designer — London, UK
priya@testwala.example · +44 7700 900123 · testwala.example

Experience

Lead Product Designer · Sample Bank
Jan 2022 to date · London
Leading design for the mobile onboarding squad. Figma, prototyping, user research.

Product Designer · Placeholder Ltd
2019 – 2021 · Manchester
Design systems in Figma and Sketch.

Education
BA (Hons) Graphic Design · University of the Imaginary · 2016 – 2019

Tools
Figma, Adobe XD, Photoshop, HTML, CSS
""",
    ),
    Written(
        "Kwame A. Samplesson",
        "+441134960123",
        12.2,
        (
            ("Research Scientist", "Institute of Imaginary Physics"),
            ("Postdoctoral Researcher", "Example University"),
        ),
        (("PhD Physics", "Example University"), ("MSci Physics", "Imaginary College London")),
        """\
Resume of
Dr. Kwame A. Samplesson
5 Fictional Road, Leeds LS1 4AB
Tel: 0113 496 0123    Email: k.samplesson@example.ac.uk

Employment History
Oct 2018–present: Research Scientist, Institute of Imaginary Physics, Leeds
Sep 2014–Sep 2018: Postdoctoral Researcher, Example University

Qualifications
PhD Physics, Example University, 2014
MSci Physics, Imaginary College London, 2010

Skills: MATLAB, Python, LaTeX, C++, statistics
Languages: English (native), Twi (native), French (basic)
References available on request
""",
    ),
    Written(
        "Sofia Beispiel",
        "+4915123456789",
        8.3,
        (("Softwareentwicklerin", "Fiktiv Software GmbH"), ("Junior Entwicklerin", "Muster Systems AG")),
        (("Fachinformatikerin Anwendungsentwicklung", "IHK Köln"),),
        """\
SOFIA BEISPIEL
Softwareentwicklerin
sofia.beispiel@posteo.example | +49 151 23456789 | 50667 Köln
Profil
Leidenschaftliche Entwicklerin mit Fokus auf sauberen Code.
Berufserfahrung
Fiktiv Software GmbH, Köln — Softwareentwicklerin
03/2021 – heute
Entwicklung von Microservices mit Java und Spring Boot
Kubernetes, Docker, GitLab CI
Muster Systems AG, Bonn — Junior Entwicklerin
08/2018 – 02/2021
Webanwendungen mit Angular und TypeScript
Ausbildung
Fachinformatikerin Anwendungsentwicklung, IHK Köln
2015 – 2018
Sprachen
Deutsch – Muttersprache
Englisch – verhandlungssicher
""",
    ),
    Written(
        "Tom Placeholder",
        None,
        7.4,
        (("Warehouse Operative", "Fictional Logistics"), ("Delivery Driver", "Made-Up Couriers")),
        (("GCSEs", "Imaginary School"),),
        """\
Tom Placeholder
tom.placeholder@example.net

WORK
Warehouse Operative
Fictional Logistics, Birmingham
05/2019 - 11/2023
Picking, packing, forklift
Delivery Driver
Made-Up Couriers
2016 - 2019

EDUCATION
GCSEs, Imaginary School, 2014

HOBBIES
Football since 2010, captain 2012 - 2015
""",
    ),
)
