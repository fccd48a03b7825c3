import json
from typing import Any

import httpx
import pytest

from tests.testing.doubles import ANN, BOB, BOT, CARD, Api, created, items
from webex_webhooks_async.models.files import File
from webex_webhooks_async.testing import Sandbox, requests
from webex_webhooks_async.testing.service import messages

pytestmark = pytest.mark.once

TO_ANN = {"toPersonEmail": "ann@example.com"}


async def upload(api: Api, *files: tuple[str, Any], **fields: str) -> httpx.Response:
    """Post a message with files to Ann."""
    return await api.post("/messages", data={**TO_ANN, **fields}, files=[*files])


async def test_an_upload(api: Api) -> None:
    """A file is served, or described by HEAD, to those who can see its message, while it exists."""
    content = b"\r\n--no boundary\r\n\x00\xff"
    sent = await upload(api, ("files", ("Menü.pdf", content, "application/pdf")), text="The menu")

    message = sent.json()
    (url,) = message["files"]
    assert (message["text"], url.startswith(f"{api.base_url}contents/")) == ("The menu", True)
    for headers in (BOT, ANN):
        served = await api.get(url, headers=headers)
        assert (served.content, served.headers["Content-Type"]) == (content, "application/pdf")
        disposition = served.headers["Content-Disposition"]
        assert disposition == "attachment; filename*=utf-8''Men%C3%BC.pdf"
    head = await api.head(url)
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(content)))
    assert head.headers["Content-Disposition"] == disposition
    assert (await api.get(url, headers=BOB)).status_code == 404
    await api.delete(f"/messages/{message['id']}")
    for gone in (url, "/contents/nope"):
        assert (await api.get(gone)).status_code == 404


async def test_a_file_is_at_the_origin_that_the_requester_uses(webex_sandbox: Sandbox) -> None:
    """Each requester gets URLs below its own base URL, in responses and in notifications."""
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url, headers={"Authorization": "Bearer t"}) as bot,
        webex_sandbox.http_client() as ann,
    ):
        ann.headers.update(ANN)
        hook = {"name": "n", "targetUrl": "http://127.0.0.1:9/", "event": "created"}
        await created(bot, "/webhooks", **hook, resource="messages")
        await ann.get("/people/me")
        (delivery,) = await webex_sandbox.say(
            "Look", person="ann@example.com", files=[File("a.txt", b"1"), File("b.txt", b"2")]
        )
        data = json.loads(delivery.body)["data"]
        (seen_by_ann,) = await items(ann, "/messages", ANN, roomId=data["roomId"])

        served = [(await bot.get(each)).content for each in data["files"]]

    assert served == [b"1", b"2"]
    assert all(each.startswith(f"{base_url}/contents/") for each in data["files"])
    assert all(each.startswith(f"{Sandbox.base_url}/contents/") for each in seen_by_ann["files"])


async def test_a_test_downloads_from_a_served_sandbox(webex_sandbox: Sandbox) -> None:
    """The files of messages and replies are below the URL at which the sandbox is served."""
    file = {"files": ("menu.txt", b"Soup")}
    fields = {"toPersonEmail": "ann@example.com", "text": "The menu"}
    async with (
        webex_sandbox.serve() as base_url,
        httpx.AsyncClient(base_url=base_url, headers=BOT, trust_env=False) as bot,
    ):
        await bot.post("/messages", data=fields, files=file)
        reply = await webex_sandbox.next_reply()
        (served,) = [message.files for message in webex_sandbox.messages]
        assert served == reply.files
        assert (await bot.get(reply.files[0])).content == b"Soup"

    (afterwards,) = [message.files for message in webex_sandbox.messages]
    assert [each.startswith(f"{Sandbox.base_url}/contents/") for each in afterwards or ()] == [True]


async def test_a_file_by_its_url(api: Api) -> None:
    """A file that is given by its URL isn't fetched: a stand-in with its name is served."""
    urls = [
        "https://example.com/menus/to%20day.pdf?x=1",
        "https://example.com",
        "https://example.com/a%0Ab",
    ]
    messages = [await created(api, "/messages", **TO_ANN, files=[each]) for each in urls]

    served = [await api.get(each["files"][0]) for each in messages]

    assert [each.headers["Content-Disposition"] for each in served] == [
        "attachment; filename*=utf-8''to%20day.pdf",
        'attachment; filename="file"',
        'attachment; filename="a_b"',
    ]
    assert served[0].headers["Content-Type"] == "application/pdf"
    assert served[0].text == f"The sandbox didn't fetch {urls[0]}\n"


async def test_names_of_uploads(api: Api) -> None:
    """The name of a file is reduced to its last part, without line breaks."""
    names = {
        'C:\\x\\a"b.txt': "a%22b.txt",
        "../../etc/passwd": "passwd",
        "a\nb": "a%20b",
        "/": "file",
    }

    for name, shown in names.items():
        sent = await upload(api, ("files", (name, b"1")))
        assert "text" not in sent.json()
        served = await api.head(sent.json()["files"][0])
        assert served.headers["Content-Disposition"].rpartition("'")[2].strip('"').endswith(shown)


@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        ("multipart/form-data", b"", "multipart/form-data needs a boundary"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nHel',
            "the multipart body ends too early: its last boundary is missing; send it again",
        ),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Type: text/plain\r\n\r\nHello\r\n--x--",
            "a part of the multipart body has no name",
        ),
    ],
)
async def test_bodies_that_are_not_multipart(
    api: Api, content_type: str, body: bytes, problem: str
) -> None:
    """A body that ends too early, or isn't multipart, is refused."""
    response = await api.post("/messages", content=body, headers={"Content-Type": content_type})

    assert (response.status_code, response.json()["message"]) == (400, problem)


async def test_files_that_are_refused(api: Api, webex_sandbox: Sandbox) -> None:
    """A message has one file or a card, and the part of its file is called `files`."""
    file = ("files", ("a.txt", b"1", "text/plain"))
    responses = [
        await upload(api, ("file", file[1])),
        await upload(api, file, file),
        await upload(api, file, files="https://example.com/a.txt"),
        await upload(api, file, attachments=json.dumps([CARD])),
    ]

    assert [(each.status_code, each.json()["message"]) for each in responses] == [
        (400, "one of text, markdown, files is required"),
        (400, "a message has one file at most"),
        (400, "a message has one file at most"),
        (400, "a message has a card or an uploaded file, not both"),
    ]
    assert webex_sandbox.messages == ()


async def test_the_largest_file(webex_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file has 100 MB at most, and so has a request, besides what is around its file."""
    assert (messages.MAX_FILE, requests.MAX_BODY - messages.MAX_FILE) == (104_857_600, 65_536)
    monkeypatch.setattr(messages, "MAX_FILE", 1_000)
    monkeypatch.setattr(requests, "MAX_BODY", 66_536)
    head = (
        b'--x\r\nContent-Disposition: form-data; name="toPersonEmail"\r\n\r\na@b.c\r\n'
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    )
    async with webex_sandbox.http_client() as api:
        api.headers["Authorization"] = "Bearer token"
        api.headers["Content-Type"] = "multipart/form-data; boundary=x"
        responses = [
            await api.post("/messages", content=b"%b%b\r\n--x--" % (head, bytes(size)))
            for size in (1_000, 1_001, 66_536)
        ]

    assert [each.status_code for each in responses] == [200, 400, 413]
    assert responses[1].json()["message"] == "a file must not exceed 1000 bytes"
    assert responses[2].json()["message"] == (
        "a request must not exceed 66536 bytes, and a file 1000"
    )


async def test_an_upload_does_not_stay_in_memory(webex_sandbox: Sandbox, api: Api) -> None:
    """The first megabyte of a request's body is recorded."""
    await api.post("/messages", content=bytes(1_000_001))

    assert [len(each.body) for each in webex_sandbox.requests] == [1_000_000]
