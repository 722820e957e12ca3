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
        _operation(path, method, operation, openapi)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f"<style>{_STYLE}</style><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f"<p>{escape(info.get('description', ''))} Errors are <code>{{&quot;detail&quot;: one line}}</code>. "
        f'For programs: <a href="/api/openapi.json">/api/openapi.json</a>.</p>{operations}</html>'
    )


def _operation(path: str, method: str, operation: Mapping[str, Any], openapi: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code><td>{escape(p['in'])}<td>{escape(_kind(p.get('schema', {})))}"
        for p in operation.get("parameters", [])
    )
    codes = ", ".join(escape(code) for code in operation.get("responses", {}))
    return (
        f"<h2><b>{method.upper()}</b>{escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
        + (f"<table>{rows}</table>" if rows else "")
        + _body(operation, openapi)
        + f"<p>Answers: {codes}</p>"
    )


def _body(operation: Mapping[str, Any], openapi: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    return "".join(
        f"<p>Body: <code>{escape(media_type)}</code></p><pre>"
        f"{escape(json.dumps(_resolved(item.get('schema', {}), openapi), indent=1))}</pre>"
        for media_type, item in content.items()
    )


def _resolved(schema: Mapping[str, Any], openapi: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Mapping[str, Any] = openapi["components"]["schemas"][name]["properties"] if name else schema
    return found


def _kind(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema[key]) for key in ("type", "pattern", "minimum") if key in schema)
