import pytest

from webex_webhooks_async.testing.service.shared.persons import fake_person
from webex_webhooks_async.testing.service.shared.state import Persons


def test_fake_persons_are_distinct() -> None:
    """No two persons share an id or an address."""
    people = [fake_person() for _ in range(50)]

    assert 50 == len({person.id for person in people}) == len({person.email for person in people})


def test_a_fake_person_may_have_a_given_id() -> None:
    """What isn't given is random."""
    assert fake_person(person_id="P1").id == "P1"


@pytest.mark.parametrize(
    ("email", "name"),
    [
        ("ann@example.com", "Ann"),
        ("ann.lee@example.com", "Ann Lee"),
        ("ann_lee@example.com", "Ann Lee"),
        ("@example.com", "@example.com"),
    ],
)
def test_names_come_from_addresses(email: str, name: str) -> None:
    """A person who is known by an address has a name that fits."""
    assert fake_person(email=email).display_name == name


def test_find() -> None:
    """A person is found by id, and by address in any case."""
    persons = Persons()
    ann = fake_person(person_id="P1", email="Ann@example.com")
    persons.add(ann)

    assert [persons.find(each) for each in ("P1", "ann@EXAMPLE.com", "P2", None)] == [
        ann,
        ann,
        None,
        None,
    ]
    assert list(persons) == [ann]


@pytest.mark.parametrize("changes", [{"person_id": "P1"}, {"email": "ann@example.com"}])
def test_ids_and_addresses_are_unique(changes: dict[str, str]) -> None:
    """A second person with a known id or address is refused."""
    persons = Persons()
    persons.add(fake_person(person_id="P1", email="ann@example.com"))

    with pytest.raises(ValueError, match="another person has the id or the address"):
        persons.add(fake_person(**changes))
