import hashlib

import pytest

from tenfold_shared import UserError, datasets, locate, verify_sha256

HINT = "Fetch it from the page of the authors."


def test_places_are_searched_in_order(tmp_path, monkeypatch):
    places = [tmp_path / name for name in ("passed", "variable", "cache")]
    for place in places:
        (place / "set").mkdir(parents=True)
        (place / "set" / place.name).touch()
    monkeypatch.setenv("TENFOLD_DATA", str(places[1]))
    monkeypatch.setattr(datasets, "user_cache_path", lambda *_, **__: places[2])
    assert locate("set", hint=HINT, data=places[0]) == places[0] / "set"
    assert locate("set", hint=HINT) == places[1] / "set"
    assert locate("set/cache", hint=HINT) == places[2] / "set" / "cache"
    monkeypatch.delenv("TENFOLD_DATA")
    assert locate("set", hint=HINT) == places[2] / "set"
    with pytest.raises(UserError, match=r"set/cache was not found in .*passed; Fetch it from"):
        locate("set/cache", hint=HINT, data=places[0])


def test_the_cache_is_named_after_the_collection():
    assert datasets._cache().name == "tenfold"


def test_the_sentence_says_where_it_looked_and_how_to_pass_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TENFOLD_DATA", str(tmp_path))
    with pytest.raises(UserError) as caught:
        locate("none/at all", hint=HINT)
    assert str(caught.value).startswith(f"none/at all was not found in {tmp_path} and ")
    assert str(caught.value).endswith(
        "; Fetch it from the page of the authors, then pass the folder with --data or set "
        "TENFOLD_DATA."
    )


def test_checksums(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc" * 100_000)
    digest = hashlib.sha256(b"abc" * 100_000).hexdigest()
    verify_sha256(path, digest)
    verify_sha256(path, digest.upper())
    path.write_bytes(b"abd" * 100_000)
    with pytest.raises(UserError, match=f"another content than expected .*not {digest[:12]}"):
        verify_sha256(path, digest)
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            verify_sha256(missing, digest)
