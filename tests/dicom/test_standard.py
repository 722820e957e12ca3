"""The standard's tables: what is looked up is what stands there, for SOP classes from end to end."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from pellucid.dicom.standard import iod_of
from pellucid.errors import UnsupportedError


@pytest.fixture(scope="module")
def tables():
    folder = Path(find_spec("highdicom").submodule_search_locations[0]) / "_standard"
    names = ("sop_class_iod_map", "iod_module_map", "module_attribute_map")
    return tuple(json.loads((folder / f"{name}.json").read_text()) for name in names)


def test_a_sop_class_has_the_attributes_of_its_modules(tables):
    keys, modules, attributes = tables
    lacking = {key for key, parts in modules.items() if not all(part["key"] in attributes for part in parts)}
    some = [*list(keys.items())[::15], *((uid, key) for uid, key in keys.items() if key in lacking)]
    assert lacking
    for uid, key in some:
        parts = [part for part in modules[key] if part["key"] in attributes]
        if len(parts) < len(modules[key]):
            with pytest.raises(UnsupportedError, match="tables lack"):
                iod_of(uid)
            continue
        every = {(tuple(row["path"]), row["keyword"]) for part in parts for row in attributes[part["key"]]}
        iod = iod_of(uid)
        assert {(path, word) for path, words in iod.allowed.items() for word in words} == every
        needed = {
            (tuple(row["path"]), row["keyword"])
            for part in parts
            if part["usage"] == "M"
            for row in attributes[part["key"]]
        }
        assert {(path, word) for path, words in iod.mandatory.items() for word in words} == needed
        iod_of.cache_clear()


def test_the_strictest_type_counts():
    # PS3.3 C.12.1: type 1; C.7.6.3: rows are of type 1 in the image pixel module.
    iod = iod_of("1.2.840.10008.5.1.4.1.1.2")
    assert iod.mandatory[()]["SOPInstanceUID"] == "1"
    assert "PatientName" in iod.required("2")
    assert iod.has("PixelSpacing")
    assert not iod.has("EchoTime")
