"""What the OpenAPI description declares, and the check that an answer is among it."""

import json
import re

from pellucid.server import access_answers, admin_answers, answers

FORMS = (answers, admin_answers, access_answers)

SERVICES = re.compile(r"/(api|dicom-web|health|ready|metrics)(/|$)")
ITSELF = ("/api/docs", "/api/openapi.json")
# What any server answers where there is no such address or method there; 403 is declared with every operation.
NOWHERE = (403, 404, 405)


_known = []


def declared_of(app):
    """What an application declares, made once for all of them: it is the same whatever the settings (see the tests)."""
    if not _known:
        _known.append(Declared(app.openapi()))
    return _known[0]


class Declared:
    """The operations of a description."""

    def __init__(self, openapi):
        self.operations = {
            (method.upper(), path): operation
            for path, methods in openapi["paths"].items()
            for method, operation in methods.items()
        }
        # The longest first: a path with fewer placeholders is the more particular one.
        self._paths = sorted({path for _, path in self.operations}, key=lambda path: (path.count("{"), -len(path)))

    def answers(self):
        """Every declared (method, path, status)."""
        return [
            (method, path, int(status))
            for (method, path), operation in self.operations.items()
            for status in operation["responses"]
        ]

    def path_of(self, address):
        """The declared path that an address is of, or None."""
        for path in self._paths:
            pattern = re.sub(r"\\\{(\w+)\\\}", lambda found: ".+" if found[1] == "path" else "[^/]+", re.escape(path))
            if re.fullmatch(pattern, address):
                return path
        return None

    def check(self, response):
        """Assert that an answer's status, media type and shape are declared."""
        address = response.request.url.path
        if not SERVICES.match(address) or address in ITSELF:
            return
        method = "GET" if response.request.method == "HEAD" else response.request.method
        operation = self.operations.get((method, self.path_of(address)))
        where = f"{response.request.method} {address}: {response.status_code}"
        if operation is None or response.status_code == 405:
            assert response.status_code in NOWHERE, where
            return
        assert str(response.status_code) in operation["responses"], f"{where} is not declared"
        content = operation["responses"][str(response.status_code)].get("content")
        if response.request.method == "HEAD":
            return
        response.read()
        if content is None:
            assert response.content == b"", where
            return
        given = response.headers["content-type"].partition(";")[0]
        media = next((m for m in content if m == given or (m.endswith("/*") and given.startswith(m[:-1]))), None)
        assert media, f"{where} is {given}; declared: {list(content)}"
        if given.endswith("json"):
            check_shape(content[media]["schema"], response.json())


def check_shape(schema, value):
    """Assert that JSON has the declared shape."""
    if schema.get("type") == "array":
        assert isinstance(value, list)
        for item in value:
            check_shape(schema["items"], item)
        return
    name = schema["$ref"].rpartition("/")[2]
    if name == "DicomObject":
        check_object(value)
        return
    form = next(found for module in FORMS if (found := getattr(module, name, None)))
    # As JSON: names of an enumeration are texts there.
    form.model_validate_json(json.dumps(value), strict=True)
    if name in ("Problem", "ProblemDetails"):
        assert value["detail"]
        assert "\n" not in value["detail"]


def check_object(value):
    """Assert that JSON is a data set in the DICOM JSON model, as the schemas DicomObject and DicomElement say."""
    for tag, element in value.items():
        assert re.fullmatch("[0-9A-F]{8}", tag)
        assert set(element) <= {"vr", "Value", "BulkDataURI", "InlineBinary"}, (tag, element)
        assert re.fullmatch("[A-Z]{2}", element["vr"])
        assert isinstance(element.get("Value", []), list)
        if element["vr"] == "SQ":
            for item in element.get("Value", []):
                check_object(item)
