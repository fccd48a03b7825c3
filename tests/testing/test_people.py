import base64

from webex_webhooks_async.testing.people import Person, webex_id


def test_webex_id_is_like_the_real_ones() -> None:
    """An id is base64 of what it is an id of, without padding."""
    actual = webex_id("ROOM")

    assert actual.startswith("Y2lz")
    assert base64.urlsafe_b64decode(actual + "==").startswith(b"ciscospark://us/ROOM/")


def test_webex_ids_are_distinct() -> None:
    """No two ids are equal."""
    assert len({webex_id("ROOM") for _ in range(100)}) == 100


def test_made_up_people_are_distinct() -> None:
    """No two people share an id or an address."""
    people = [Person.made_up() for _ in range(50)]

    assert 50 == len({person.id for person in people}) == len({person.email for person in people})


def test_a_made_up_person_may_have_a_known_id() -> None:
    """Who is known by an id alone gets the rest made up."""
    assert Person.made_up("P1").id == "P1"
