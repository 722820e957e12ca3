"""Which transfer syntax a client is given."""

import pytest

from pellucid.codecs import PixelForm, choose_syntax, named
from pellucid.codecs.syntaxes import SYNTAXES, Kind

VIDEO = "1.2.840.10008.1.2.4.102"


def chosen(stored, *accepted, form=None):
    uid = choose_syntax(named(stored), [named(one) for one in accepted], form)
    return SYNTAXES[uid].short if uid else None


@pytest.mark.parametrize("uid", SYNTAXES)
def test_as_stored_where_that_is_accepted(uid):
    assert choose_syntax(uid, list(SYNTAXES)) == uid


@pytest.mark.parametrize("uid", [s.uid for s in SYNTAXES.values() if s.kind in (Kind.NATIVE, Kind.IMAGES)])
def test_never_a_syntax_that_always_loses(uid):
    if SYNTAXES[uid].short not in ("jpeg", "jpeg-extended"):
        assert choose_syntax(uid, [named("jpeg"), named("jpeg-extended")]) is None
    assert choose_syntax(uid, [VIDEO]) is None
    assert choose_syntax(uid, []) is None


def test_plain_stays_plain_and_coded_stays_coded():
    assert chosen("explicit", "htj2k", "implicit", "big-endian") == "implicit"
    assert chosen("explicit", "rle", "jpeg-ls", "jpeg2000") == "jpeg-ls"
    assert chosen("jpeg2000", "explicit", "htj2k") == "htj2k"
    assert chosen("jpeg2000", "explicit", "jpeg") == "explicit"
    assert chosen("jpeg", "htj2k", "implicit") == "implicit"
    assert chosen("explicit", "jpeg2000-any") == "jpeg2000-any"


def test_a_film_is_given_as_it_is_or_not_at_all():
    assert choose_syntax(VIDEO, [named("explicit"), named("htj2k")]) is None


def test_what_a_syntax_cannot_hold_is_passed_over():
    wide = PixelForm(rows=1, columns=1, allocated=32, stored=32, high_bit=31)
    assert chosen("explicit", "jpeg-ls", "jpeg2000", "rle", form=wide) == "rle"
    assert chosen("explicit", "jpeg-ls", "jpeg2000", form=wide) is None
