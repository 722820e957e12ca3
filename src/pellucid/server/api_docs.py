"""The page /api/docs: the OpenAPI description as plain HTML, made here, so that nothing comes from another site."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "h2{margin:2rem 0 0;font:600 1rem ui-monospace,monospace}code,pre{font:13px ui-monospace,monospace}"
    "pre{background:#f4f4f4;padding:.6rem;overflow:auto}td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
    "b{display:inline-block;min-width:4rem;color:#05c}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#111}pre{background:#222}b{color:#6af}}"
)


def docs_page(openapi: Mapping[str, Any]) -> str:
    """The description of every operation as one HTML page."""
    info = openapi["info"]
    operations = "".join(
        _operation(path, method, operation)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    shapes = "".join(
        f'<h2 id="{escape(name)}">{escape(name)}</h2>{_json(schema)}'
        for name, schema in sorted(openapi["components"]["schemas"].items())
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))} Errors are <code>{{&quot;detail&quot;: one line}}</code>. "
        f'For programs: <a href="/api/openapi.json">/api/openapi.json</a>.</p>{operations}{shapes}</html>'
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    parameters = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td>{escape(_kind(p.get('schema', {})))}"
        f"<td>{escape(p.get('description', ''))}"
        for p in operation.get("parameters", [])
    )
    answers = "".join(
        f"<tr><td>{escape(code)}<td>{escape(answer['description'])}<td>{_media(answer.get('content', {}))}"
        for code, answer in sorted(operation["responses"].items())
    )
    return (
        f"<h2><b>{method.upper()}</b>{escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
        + (f"<table>{parameters}</table>" if parameters else "")
        + (f"<p>Body: {_media(operation['requestBody']['content'])}</p>" if "requestBody" in operation else "")
        + f"<table>{answers}</table>"
    )


def _media(content: Mapping[str, Any]) -> str:
    """Media types, each with its shape where it is more than bytes or text."""
    return ", ".join(f"<code>{escape(media)}</code>{_shape(item.get('schema', {}))}" for media, item in content.items())


def _shape(schema: Mapping[str, Any]) -> str:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name:
        return f' <a href="#{escape(name)}">{escape(name)}</a>'
    if schema.get("type") == "array":
        return f" list of{_shape(schema['items'])}"
    return _json(schema) if schema.get("type") == "object" else ""


def _json(schema: Mapping[str, Any]) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=1))}</pre>"


def _kind(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema[key]) for key in ("type", "pattern", "minimum") if key in schema)
