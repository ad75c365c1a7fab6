from __future__ import annotations

import os
import socket
import threading

import pytest

from hubscout import _preflight as preflight
from hubscout._preflight import hub_is_reachable


class TestPreflight:
    @pytest.fixture(autouse=True)
    def _fresh(self, monkeypatch):
        for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUBSCOUT_OFFLINE", "HF_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)
        # undone after the test, also when the code under test sets it
        monkeypatch.setenv("HF_HUB_OFFLINE", "")
        preflight._preflight.cache_clear()
        yield
        preflight._preflight.cache_clear()

    def test_one_attempt_then_offline(self, monkeypatch):
        asked = []

        def refuse(address, timeout):
            asked.append((address, timeout))
            raise OSError

        monkeypatch.setattr(socket, "create_connection", refuse)
        monkeypatch.setattr("urllib.request.getproxies", dict)
        assert not hub_is_reachable()
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        monkeypatch.setenv("HF_HUB_OFFLINE", "")
        assert not hub_is_reachable()
        assert asked == [(("huggingface.co", 443), 2.0)]

    def test_a_hub_that_hangs_is_not_waited_for(self, monkeypatch):
        release = threading.Event()
        monkeypatch.setattr(preflight, "PREFLIGHT_SECONDS", 0.05)

        def hang(*_, **__):
            release.wait(60)
            raise OSError

        monkeypatch.setattr(socket, "create_connection", hang)
        try:
            assert not hub_is_reachable()
            assert not release.is_set()
        finally:
            release.set()

    @pytest.mark.parametrize("name", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HUBSCOUT_OFFLINE"])
    def test_the_user_s_word_counts(self, monkeypatch, name):
        monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("asked the network"))
        monkeypatch.setenv(name, "1")
        assert not hub_is_reachable()
        assert os.environ["HF_HUB_OFFLINE"] == "1"

    @pytest.mark.parametrize(
        ("endpoint", "proxies", "first"),
        [
            ("https://huggingface.co", {}, ("huggingface.co", 443)),
            ("http://mirror.local:8080/x", {}, ("mirror.local", 8080)),
            ("https://huggingface.co", {"https": "http://proxy:3128"}, ("proxy", 3128)),
            ("https://huggingface.co", {"https": "proxy:3128"}, ("proxy", 3128)),
        ],
    )
    def test_first_hop(self, monkeypatch, endpoint, proxies, first):
        monkeypatch.setattr("urllib.request.getproxies", lambda: proxies)
        monkeypatch.setattr("urllib.request.proxy_bypass", lambda _: False)
        assert preflight._first_hop(endpoint) == first
