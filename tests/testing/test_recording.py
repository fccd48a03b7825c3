from webex_webhooks_async.testing import RecordedRequest

CANARY = "canary"


def recorded() -> RecordedRequest:
    """Make a record that holds a token and a secret."""
    return RecordedRequest(
        method="POST",
        path="/v1/webhooks",
        headers={"authorization": f"Bearer {CANARY}"},
        body=f'{{"secret": "{CANARY}"}}'.encode(),
        status_code=200,
        tracking_id="ROUTER_1",
    )


def test_a_repr_shows_no_token_and_no_secret() -> None:
    """A repr, which failing tests print, shows neither the token nor the secret."""
    assert CANARY not in repr(recorded())
    assert "/v1/webhooks" in repr(recorded())


def test_records_can_be_compared_and_counted() -> None:
    """Equal records are equal, and count once in a set."""
    assert len({recorded(), recorded()}) == 1
