"""Endpoints of webhooks: which addresses may be called, and by which secrets (guarantees B67-B70)."""

from ipaddress import ip_network

import pytest

from channels.endpoint import BadEndpoint, allowed, endpoint, read_endpoints

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "file:///etc/passwd",
            "gopher://example.com/",
            "//example.com/x",
            "example.com",
            "https://",
            "ftp://a.b/",
        ),
        *("http://127.0.0.1:80@example.com/", "https://user@example.com/", "http://example.com\\@127.0.0.1/"),
        *("http://0x7f.1/", "http://2130706433/", "http://017700000001/", "http://127.1/", "http://0/"),
        *("http://①②⑦.0.0.1/", "https://exa mple.com/", "https://example.com/\n", "https://example.com/#x"),
        *(
            "https://example.com:22/",
            "https://example.com:25/",
            "https://example.com:5432/",
            "https://example.com:0x50/",
        ),
        *(
            "https://-a.example.com/",
            "https://a..example.com/",
            "https://example.com:99999/",
            "https://" + "a" * 2001,
        ),
    ],
)
def test_what_is_no_address_of_an_endpoint_is_refused(url: str) -> None:
    with pytest.raises(BadEndpoint):
        endpoint(url, [SECRET])


@pytest.mark.parametrize("secret", ["", "hunter2", "whsec_c2hvcnQ=", "whsec_!!!!", "whsec_" + "A" * 400])
def test_a_secret_of_no_use_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(BadEndpoint) as refused:
        endpoint("https://example.com/", [secret])
    assert not secret or secret not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    ["[]", "{", '{"crm": "https://example.com/"}', '{"crm": {"url": "https://example.com/"}}'],
)
def test_endpoints_are_read_from_one_object_or_refused(given: str) -> None:
    with pytest.raises(BadEndpoint):
        read_endpoints(given)


def test_endpoints_are_read_with_one_secret_or_several() -> None:
    one = f'"url": "https://example.com/in?a=1", "secret": "{SECRET}"'
    two = f'"url": "http://example.org:8080", "secret": ["{SECRET}", "{SECRET}"]'
    found = read_endpoints(f'{{"crm": {{{one}}}, "erp": {{{two}}}}}')
    assert (found["crm"].authority, found["crm"].path, len(found["crm"].secrets)) == (
        "example.com",
        "/in?a=1",
        1,
    )
    assert (found["erp"].authority, found["erp"].path, len(found["erp"].secrets)) == (
        "example.org:8080",
        "/",
        2,
    )


CLOSED = [
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:169.254.169.254",
    "::ffff:127.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "100::1",
    "5f00::1",
    "3fff::1",
]


@pytest.mark.parametrize("address", CLOSED)
def test_an_address_inside_our_networks_or_of_no_ones_is_closed(address: str) -> None:
    assert not allowed(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "192.0.1.1", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_a_public_address_is_open(address: str) -> None:
    assert allowed(address)


def test_a_network_of_our_own_is_open_where_it_is_listed() -> None:
    assert allowed("10.1.2.3", [ip_network("10.1.0.0/16")])
    assert allowed("::ffff:10.1.2.3", [ip_network("10.1.0.0/16")])
    assert not allowed("10.2.2.3", [ip_network("10.1.0.0/16")])
