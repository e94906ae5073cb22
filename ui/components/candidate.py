"""The result of `resume.analyse` as a recruiter reads it: who, how well they fit and why, what they did.

Everything in it comes from a stranger's document: it is shown as text, and only plain web addresses become links.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from ui.components import wording
from ui.components.element import Tag
from ui.components.tree import tree

_MOST = 60
_BY_RULES = "offline-1"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def draw_candidate(result: dict[str, Any]) -> None:
    """Draws an analysis in the current slot."""
    profile, score = _dict(result.get("profile")), _dict(result.get("score"))
    with Tag("div", classes="candidate"):
        with Tag("div", classes="candidate-head"):
            with Tag("div", classes="candidate-who"):
                _who(profile, _dict(result.get("confidence")))
            if score:
                _total(score)
        if _is_against_a_job(score):
            _parts(score)
            _compared(score)
        else:
            _complete(score)
        _skills(profile, score)
        _experience(profile)
        _education(profile)
        _languages(profile)
        _about(result)
    with Tag("details", classes="candidate-json"):
        Tag("summary", "As JSON")
        with Tag("div", classes="tree"):
            tree(result)


# --- who --------------------------------------------------------------------------------------------------------------


def _who(profile: dict[str, Any], confidence: dict[str, Any]) -> None:
    Tag("h2", _text(profile.get("name")) or "Name not found")
    latest = _dict(next(iter(_list(profile.get("experience"))), None))
    now = " at ".join(filter(None, [_text(latest.get("title")), _text(latest.get("organisation"))]))
    years = profile.get("years_of_experience")
    known = [
        now,
        _text(profile.get("location")),
        f"{years:g} years of experience" if isinstance(years, int | float) else "",
    ]
    Tag("p", " · ".join(filter(None, known)), "muted")
    with Tag("ul", classes="contacts", aria_label="Contacts"):
        for email in _texts(profile.get("emails")):
            _contact("mail", email, f"mailto:{quote(email, safe='@+')}")
        for phone in map(_dict, _list(profile.get("phones"))):
            number = _text(phone.get("e164"))
            _contact("call", _text(phone.get("text")) or number, f"tel:{number}" if number else None)
        for link in _texts(profile.get("links")):
            _contact("link", link, _web_address(link))
    unsure = [name for name in ("name", "experience") if confidence.get(name) == "low"]
    if unsure:
        Tag("p", f"Not sure about: {', '.join(unsure)}. Compare with the resume.", "unsure", data_icon="help")


def _contact(icon: str, words: str, href: str | None) -> None:
    with Tag("li", data_icon=icon):
        if href:
            Tag("a", words, href=href, rel="noopener noreferrer nofollow", target="_blank")
        else:
            Tag("span", words)


def _web_address(link: str) -> str | None:
    if link.startswith(("https://", "http://")):
        return link
    return None if ":" in link else f"https://{link}"


# --- score ------------------------------------------------------------------------------------------------------------


def _total(score: dict[str, Any]) -> None:
    total = _number(score.get("total"))
    what, word = ("fit with the job", "job fit") if _is_against_a_job(score) else ("completeness", "complete")
    with Tag("div", classes="score", role="img", aria_label=f"{total} of 100: {what}", style=f"--p:{total}%"):
        Tag("strong", str(total), "num")
        Tag("span", word)


def _is_against_a_job(score: dict[str, Any]) -> bool:
    return score.get("against") == "job description"


def _parts(score: dict[str, Any]) -> None:
    with Tag("ul", classes="score-parts", aria_label="How the score is made"):
        for part in map(_dict, _list(score.get("parts"))):
            points, of = _number(part.get("points")), max(_number(part.get("of")), 1)
            with Tag("li", classes="barred", style=f"--p:{min(100 * points / of, 100):.0f}%"):
                Tag("strong", _text(part.get("name")).capitalize())
                Tag("span", f"{points} of {of}", "num muted")
                Tag("span", _text(part.get("why")), "muted why")


def _compared(score: dict[str, Any]) -> None:
    for title, css, icon, skills in (
        ("Skills that match", "yes", "check", _texts(score.get("matched"))),
        ("Skills that are missing", "no", "close", _texts(score.get("missing"))),
    ):
        if skills:
            _chips(title, skills, css, icon)


def _complete(score: dict[str, Any]) -> None:
    """Without a job to compare with: what a resume should hold, there or not."""
    parts = [_dict(part) for part in _list(score.get("parts"))]
    there = [_text(part.get("name")).capitalize() for part in parts if part.get("points")]
    gone = [_text(part.get("name")).capitalize() for part in parts if not part.get("points")]
    if there:
        _chips("Found", there, "yes", "check")
    if gone:
        _chips("Not found", gone, "no", "close")


def _chips(title: str, words: Sequence[str], css: str = "", icon: str | None = None) -> None:
    Tag("h3", title)
    with Tag("ul", classes="chips", aria_label=title):
        for word in words:
            Tag("li", word, f"chip {css}", data_icon=icon)


def _skills(profile: dict[str, Any], score: dict[str, Any]) -> None:
    matched = set(_texts(score.get("matched")))
    others = [skill for skill in _texts(profile.get("skills")) if skill not in matched]
    if others:
        _chips("Other skills" if matched else "Skills", others)


# --- history ----------------------------------------------------------------------------------------------------------


def _experience(profile: dict[str, Any]) -> None:
    posts = [_dict(post) for post in _list(profile.get("experience"))]
    Tag("h3", "Experience")
    if not posts:
        Tag("p", "No experience with dates was found.", "muted")
        return
    with Tag("ol", classes="posts"):
        for post in posts:
            with Tag("li"):
                Tag("strong", _text(post.get("title")) or "Title not found")
                Tag("span", _text(post.get("organisation")), "where")
                Tag("span", _period(post), "muted num")


def _period(post: dict[str, Any]) -> str:
    times = " \N{EN DASH} ".join(filter(None, [_month(post.get("start")), _month(post.get("end"))]))
    months = post.get("months")
    return f"{times} · {_long(months)}" if isinstance(months, int) else times


def _month(point: object) -> str:
    """`2019-03` as `Mar 2019`; a year alone, and "present", as they are."""
    year, _, month = _text(point).partition("-")
    return f"{_MONTHS[int(month) - 1]} {year}" if month.isdigit() and 1 <= int(month) <= 12 else _text(point)


def _long(months: int) -> str:
    years, rest = divmod(months, 12)
    words = [wording.plural(years, "year") if years else "", wording.plural(rest, "month") if rest else ""]
    return " ".join(filter(None, words))


def _education(profile: dict[str, Any]) -> None:
    found = [_dict(item) for item in _list(profile.get("education"))]
    if not found:
        return
    Tag("h3", "Education")
    with Tag("ol", classes="posts plain"):
        for item in found:
            years = "\N{EN DASH}".join(str(year) for year in (item.get("start"), item.get("end")) if year)
            with Tag("li"):
                Tag("strong", _text(item.get("degree")) or "Degree not found")
                Tag("span", _text(item.get("institution")), "where")
                Tag("span", years, "muted num")


def _languages(profile: dict[str, Any]) -> None:
    spoken = [_dict(item) for item in _list(profile.get("languages"))]
    words = [" · ".join(filter(None, [_text(s.get("name")), _text(s.get("level"))])) for s in spoken]
    if words:
        _chips("Languages", words)


def _about(result: dict[str, Any]) -> None:
    analyser = _text(result.get("analyser"))
    by = "by rules, without a model" if analyser == _BY_RULES else f"by {analyser.removeprefix('model:')}"
    usage = _dict(result.get("usage"))
    cost = usage.get("cost")
    words = [
        f"Read {by}",
        f"on {_text(result.get('as_of'))}" if result.get("as_of") else "",
        f"· cost {cost:g}" if isinstance(cost, int | float) else "",
    ]
    with Tag("div", classes="candidate-notes muted"):
        Tag("p", " ".join(filter(None, words)) + ". Nothing is guessed: what was not found is left out.")
        for note in _texts(result.get("notes")):
            Tag("p", note)


# --- a result of who knows which version ------------------------------------------------------------------------------


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _text(value: object) -> str:
    return str(value)[:300] if value is not None else ""


def _texts(value: object) -> list[str]:
    return [_text(item) for item in _list(value) if item]


def _number(value: object) -> int:
    return round(value) if isinstance(value, int | float) else 0
