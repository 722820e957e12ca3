"""Callers may do what their permissions say."""

import pytest

from pellucid.access import LOCAL, Caller, Permission, PermissionDeniedError
from pellucid.archive import NOTHING


def test_the_local_caller_may_do_and_see_everything():
    assert all(LOCAL.may(permission) for permission in Permission)
    assert LOCAL.visible.everything


def test_what_is_not_permitted_is_refused_by_name():
    reader = Caller(name="reader", kind="account", permissions=frozenset({Permission.READ}), visible=NOTHING)
    reader.require(Permission.READ)
    with pytest.raises(PermissionDeniedError, match="reader may not delete"):
        reader.require(Permission.DELETE)
