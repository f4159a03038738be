"""What phones fetch: the right file, for the right phone, with names that cannot write lines of their own."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pbx.config.config import Config
from pbx.config.phones import mac_address
from pbx.provision.http import PhoneSettings
from pbx.provision.render import token_of

MAC, OTHER = "001565aabbcc", "001565aabbdd"
KEY = "a secret of the house"


def house(model: str, **more: Any) -> Config:
    return Config.model_validate(
        {
            "endpoints": {"1001": {"name": "Alice & Co\naccount.1.password = x"}, "1002": {"name": "Bob"}},
            "provisioning": {"http": "127.0.0.1:0", "transport": "tcp"},
            "phones": {
                "00:15:65:AA:BB:CC": {"model": model, "endpoint": "1001", "keys": ["1002", "701", "*28"]},
                OTHER: {"model": model, "endpoint": "1002"},
            },
            "feature_codes": {"profile": "default"},
            **more,
        }
    )


async def fetch(config: Config, path: str, own: Path) -> tuple[int, str]:
    settings = PhoneSettings(lambda: config, lambda: {"1001": "s3<ret", "1002": "other"}, KEY, own, lambda: 0.0)
    await settings.start("127.0.0.1:0")
    assert settings.address is not None
    try:
        async with aiohttp.ClientSession() as session, session.get(f"http://{settings.address}{path}") as answer:
            return answer.status, await answer.text()
    finally:
        await settings.stop()


def get(config: Config, path: str, own: Path) -> tuple[int, str]:
    return asyncio.run(fetch(config, path, own))


def test_a_mac_address_is_read_however_it_is_written() -> None:
    assert mac_address("00-15-65-AA-BB-CC") == mac_address("0015.65aa.bbcc") == MAC
    with pytest.raises(ValueError, match="no MAC address"):
        mac_address("001565")


def test_yealink_settings_register_the_endpoint_and_light_its_lamps(tmp_path: Path) -> None:
    status, text = get(house("yealink"), f"/{token_of(KEY, MAC)}/{MAC}.cfg", tmp_path)
    assert status == 200
    pairs = [line.split(" = ", 1) for line in text.splitlines() if " = " in line]
    values = dict(pairs)
    assert len(values) == len(pairs)  # nothing twice: a name that holds a line writes none
    assert values["account.1.user_name"] == "1001"
    assert values["account.1.password"] == "s3<ret"
    assert values["account.1.sip_server.1.address"] == "127.0.0.1"  # the address by which it fetched
    assert values["account.1.sip_server.1.transport_type"] == "1"
    assert (values["linekey.2.value"], values["linekey.2.label"], values["linekey.2.extension"]) == (
        "1002",
        "Bob",
        "**",
    )
    assert values["linekey.4.value"] == "*28"
    assert values["voice_mail.number.1"] == "*97"


@pytest.mark.parametrize(
    ("model", "file"), [("grandstream", "cfg{mac}.xml"), ("fanvil", "{mac}.cfg"), ("linphone", "{mac}.xml")]
)
def test_xml_settings_are_well_formed_and_hold_the_secret(model: str, file: str, tmp_path: Path) -> None:
    status, text = get(house(model), f"/{token_of(KEY, MAC)}/{file.format(mac=MAC)}", tmp_path)
    assert status == 200
    texts = [element.text for element in ET.fromstring(text.encode()).iter()]
    assert "s3<ret" in texts
    assert "1001" in texts
    assert any(found is not None and "1002" in found for found in texts)


@pytest.mark.parametrize(
    "path",
    [
        f"/{token_of(KEY, OTHER)}/{MAC}.cfg",  # another phone's token
        f"/{token_of('another key', MAC)}/{MAC}.cfg",
        f"/{token_of(KEY, MAC)}/y000000000066.cfg",  # common files are not ours
        f"/{token_of(KEY, MAC)}/..%2F..%2Fpbx.toml",
        f"/{MAC}.cfg",
        "/",
    ],
)
def test_nothing_else_is_told(path: str, tmp_path: Path) -> None:
    status, text = get(house("yealink"), path, tmp_path)
    assert status == 404
    assert "s3<ret" not in text


def test_who_guesses_hears_nothing_for_a_while(tmp_path: Path) -> None:
    async def body() -> None:
        config = house("yealink")
        settings = PhoneSettings(lambda: config, lambda: {"1001": "s"}, KEY, tmp_path, lambda: 0.0)
        await settings.start("127.0.0.1:0")
        async with aiohttp.ClientSession(f"http://{settings.address}") as session:
            for guess in range(200):
                async with session.get(f"/{guess:032x}/{MAC}.cfg") as answer:
                    assert answer.status == 404
            async with session.get(f"/{token_of(KEY, MAC)}/{MAC}.cfg") as answer:
                assert answer.status == 404
        await settings.stop()

    asyncio.run(body())


def test_a_company_brings_a_template_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "yealink.j2").write_text("mine {{ account.number }} {{ label }}")
    assert get(house("yealink"), f"/{token_of(KEY, OTHER)}/{OTHER}.cfg", tmp_path) == (200, "mine 1002 Bob")


def test_a_configured_server_is_what_phones_register_to(tmp_path: Path) -> None:
    spec = {"http": "127.0.0.1:0", "server": "pbx.example.com:5070"}
    _, text = get(house("yealink", provisioning=spec), f"/{token_of(KEY, MAC)}/{MAC}.cfg", tmp_path)
    assert "account.1.sip_server.1.address = pbx.example.com\naccount.1.sip_server.1.port = 5070" in text
