"""The resume of somebody who does not exist, as a Word file."""

from pathlib import Path

_POSTS = (
    (
        "Senior Data Engineer",
        "Example Analytics Ltd",
        "Apr 2021 - Present",
        "Moved 300 nightly jobs to Airflow and Spark",
    ),
    ("Data Engineer", "Sample Systems Inc", "Jan 2018 - Mar 2021", "Built the event pipeline on Kafka"),
)


def write_resume(path: Path) -> None:
    """Writes it."""
    import docx

    document = docx.Document()
    document.add_heading("Ada Sample", 0)
    document.add_paragraph("ada.sample@example.org | +44 20 7946 0018 | London, UK | github.com/ada-sample")
    document.add_heading("Experience", 1)
    for title, employer, period, did in _POSTS:
        document.add_paragraph(f"{title}\t{period}")
        document.add_paragraph(employer)
        document.add_paragraph(did, style="List Bullet")
    document.add_heading("Education", 1)
    document.add_paragraph("BSc Mathematics, University of Nowhere, 2014 - 2017")
    document.add_heading("Skills", 1)
    document.add_paragraph("Python, SQL, Kafka, Airflow, Spark, Docker, Git")
    document.add_heading("Languages", 1)
    document.add_paragraph("English (native), French (B1)")
    document.save(str(path))
