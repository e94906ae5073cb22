"""The API's reference as one page of plain HTML: readable without a script, and without anything from another host."""

from collections.abc import Sequence
from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; }
details { border-top: 1px solid var(--line); padding: .5rem 0; } summary { cursor: pointer; }
code, pre { font: 13px/1.5 ui-monospace, monospace; } pre { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; } th { font-weight: 600; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-top: 1px solid var(--line); }
.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
"""


def reference_page(openapi: dict[str, Any]) -> str:
    """The page of an OpenAPI description."""
    info = openapi["info"]
    calls: dict[str, list[str]] = {}
    for path, methods in openapi["paths"].items():
        for method, call in methods.items():
            calls.setdefault(call.get("tags", ["other"])[0], []).append(_call(method, path, call))
    schemas = openapi.get("components", {}).get("schemas", {})
    body = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
        _paragraphs(info.get("description", "")),
    ]
    body += [f"<h2>{escape(tag.capitalize())}</h2>{''.join(texts)}" for tag, texts in calls.items()]
    body += ["<h2>Shapes</h2>", *(_shape(name, schema) for name, schema in sorted(schemas.items()))]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style><body>{''.join(body)}</body></html>"
    )


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    rows = [
        (f"<code>{escape(p['name'])}</code>", escape(p["in"]), _type(p.get("schema", {})), _text(p))
        for p in call.get("parameters", [])
    ]
    parts = [_paragraphs(call.get("description", "")), _table(("Parameter", "In", "Type", ""), rows)]
    for kind, content in call.get("requestBody", {}).get("content", {}).items():
        parts.append(f"<p>Body: {_type(content.get('schema', {}))} <code>{escape(kind)}</code></p>")
    answers = [
        (escape(status), _answer_type(answer), escape(answer.get("description", "")))
        for status, answer in call.get("responses", {}).items()
    ]
    parts.append(_table(("Answer", "Type", ""), answers))
    head = f'<span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code>'
    summary = escape(call.get("summary", ""))
    return f"<details><summary>{head} {summary}</summary>{''.join(parts)}</details>"


def _answer_type(answer: dict[str, Any]) -> str:
    return ", ".join(_type(content.get("schema", {})) for content in answer.get("content", {}).values())


def _shape(name: str, schema: dict[str, Any]) -> str:
    rows = [
        (f"<code>{escape(field)}</code>", _type(described), _text(described))
        for field, described in schema.get("properties", {}).items()
    ]
    words = schema.get("enum")
    text = _paragraphs(", ".join(map(str, words)) if words else schema.get("description", ""))
    anchor = escape(name, quote=True)
    return (
        f'<details id="{anchor}"><summary><code>{escape(name)}</code></summary>{text}'
        f"{_table(('Field', 'Type', ''), rows)}</details>"
    )


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2], quote=True)
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = schema.get("enum") or ([schema["const"]] if "const" in schema else None)
    if words:
        return escape(", ".join(map(str, words)))
    return escape(" ".join(filter(None, (schema.get("type", "anything"), schema.get("format", "")))))


def _text(described: dict[str, Any]) -> str:
    return escape(described.get("description", ""))


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part.strip())


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Cells are HTML already."""
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"
