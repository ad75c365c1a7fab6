from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from hubscout.errors import CandidateError
from hubscout.models.address import parse_address
from hubscout.models.hub import choose_files, locate, read_licence
from hubscout.models.listing import list_models
from hubscout.models.loading import load_encoder

SHA = "0123456789abcdef0123456789abcdef01234567"


def _cache(root, name, files, sha=SHA):
    """Lay out a model as the hub's library keeps it."""
    repo = root / ("models--" + name.replace("/", "--"))
    snapshot = repo / "snapshots" / sha
    snapshot.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(files, snapshot)
    (repo / "refs").mkdir(exist_ok=True)
    (repo / "refs" / "main").write_text(sha)
    return snapshot


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub."""
    import huggingface_hub.constants

    root = tmp_path / "cache"
    root.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(root))
    return root


class TestOffline:
    @pytest.mark.parametrize("revision", ["", "@main", f"@{SHA}"])
    def test_cached_model_is_pinned(self, cache, bert, texts, revision):
        _cache(cache, "org/bert", bert)
        encoder = load_encoder(f"hf:org/bert{revision}", device="cpu")
        assert encoder.card.address == f"hf:org/bert@{SHA}"
        assert encoder.card.identity == f"revision:{SHA}"
        assert "settings" not in encoder.card.transform
        local = load_encoder(f"hf:{bert}", device="cpu")
        features = [each.encode([each.prepare(text) for text in texts]).features for each in (encoder, local)]
        np.testing.assert_array_equal(*features)

    def test_timm_weights_from_the_cache(self, cache, timm_folder, pictures):
        folder = timm_folder("test_vit")
        weights = cache.parent / "only_weights"
        weights.mkdir()
        shutil.copy(folder / "model.safetensors", weights)
        _cache(cache, "timm/test_vit.r160_in1k", weights)
        encoder = load_encoder("timm:test_vit.r160_in1k", device="cpu")
        assert encoder.card.address == f"timm:test_vit.r160_in1k@{SHA}"
        assert encoder.card.identity == f"revision:{SHA}"
        local = load_encoder(f"timm:local-dir:{folder}", device="cpu")
        batches = [each.encode([each.prepare(picture) for picture in pictures]) for each in (encoder, local)]
        np.testing.assert_array_equal(batches[0].features, batches[1].features)
        again = load_encoder(encoder.card.address, device="cpu").card
        assert again == encoder.card

    def test_timm_model_of_another_owner(self, cache, timm_folder):
        _cache(cache, "me/mine", timm_folder("test_resnet", num_classes=3))
        card = load_encoder("timm:hf-hub:me/mine", device="cpu").card
        assert card.address == f"timm:hf-hub:me/mine@{SHA}"
        assert card.source_classes == 3

    @pytest.mark.parametrize(
        ("address", "message"),
        [
            (
                "hf:org/bert@v2",
                (
                    "model 'org/bert' is not in the hub's cache at revision 'v2' and the hub cannot be reached; "
                    "connect once to fetch it, or give a folder, such as hf:./folder"
                ),
            ),
            (
                "st:org/other",
                (
                    "model 'org/other' is not in the hub's cache and the hub cannot be reached; "
                    "connect once to fetch it, or give a folder, such as st:./folder"
                ),
            ),
            (
                f"hf:org/bert@{SHA[:8]}",
                (
                    "model 'org/bert' is not in the hub's cache at revision '01234567' and the hub cannot be reached; "
                    "connect once to fetch it, or give a folder, such as hf:./folder"
                ),
            ),
        ],
    )
    def test_what_is_not_there(self, cache, bert, address, message):
        _cache(cache, "org/bert", bert)
        with pytest.raises(CandidateError) as caught:
            load_encoder(address, device="cpu")
        assert str(caught.value) == message

    def test_a_folder_that_was_written_as_a_hub_name(self, cache, tmp_path, monkeypatch):
        (tmp_path / "models" / "mine").mkdir(parents=True)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CandidateError) as caught:
            locate(parse_address("hf:models/mine"))
        assert str(caught.value) == (
            "model 'models/mine' is not on the hub or in its cache; for the folder write hf:./models/mine"
        )

    def test_half_fetched_model(self, cache, bert, tmp_path):
        part = tmp_path / "part"
        part.mkdir()
        shutil.copy(bert / "config.json", part)
        _cache(cache, "org/part", part)
        with pytest.raises(CandidateError, match="model 'org/part' holds no weights at this revision"):
            load_encoder("hf:org/part", device="cpu")

    def test_listing_the_cache(self, cache, bert, tmp_path):
        assert list_models("hf:*") == []
        _cache(cache, "org/bert-10", bert)
        _cache(cache, "org/bert-9", bert)
        sentences = tmp_path / "st"
        shutil.copytree(bert, sentences)
        (sentences / "modules.json").write_text("[]")
        _cache(cache, "org/words", sentences)
        assert list_models("hf:*") == ["hf:org/bert-9", "hf:org/bert-10", "hf:org/words"]
        assert list_models("st:org/*") == ["st:org/words"]


FILES = {
    "config.json": b"{}",
    "README.md": b"---\nlicense: mit\n---\n# Model",
    "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
    "pytorch_model.bin": b"never fetched",
    "onnx/model.onnx": b"never fetched",
    "modeling.py": b"never fetched",
}


class _StubHub(BaseHTTPRequestHandler):
    """As much of the hub's protocol as fetching one model takes; ``main`` moves on with every request for it."""

    requests: ClassVar[list[str]] = []
    failing = False
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self._answer(with_body=False)

    def do_GET(self):
        self._answer(with_body=True)

    def _answer(self, *, with_body):
        self.requests.append(self.path)
        if self.path.startswith(f"/api/models/org/name/tree/{SHA}"):
            tree = [{"type": "file", "path": name, "size": len(body), "oid": SHA} for name, body in FILES.items()]
            return self._send(200, json.dumps(tree).encode(), with_body=with_body)
        if self.path.startswith("/api/") and self.failing:
            return self._send(503, b"busy", with_body=with_body)
        if self.path.startswith("/api/models/org/name/revision/v9"):
            return self._send(404, b"{}", with_body=with_body, code="RevisionNotFound")
        if self.path.startswith("/api/models/org/name"):
            body = json.dumps({
                "id": "org/name", "sha": SHA, "siblings": [{"rfilename": name} for name in FILES],
                "cardData": {"license": "mit"},
            }).encode()  # fmt: skip
            return self._send(200, body, with_body=with_body)
        match = re.fullmatch(rf"/org/name/resolve/{SHA}/(.*)", self.path)
        if match and match.group(1) in FILES:
            return self._send(200, FILES[match.group(1)], with_body=with_body)
        code = "RevisionNotFound" if "org/name" in self.path else "RepoNotFound"
        return self._send(404, b"{}", with_body=with_body, code=code)

    def _send(self, status, body, *, with_body, code=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hash(body) & 0xFFFFFFFF:x}"')
        self.send_header("X-Repo-Commit", SHA)
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        if with_body:
            self.wfile.write(body)


@pytest.fixture
def stub_hub():
    """A hub on this machine."""
    _StubHub.requests = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _StubHub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def _locate_online(endpoint, cache, address, offline="0"):
    """Locate in a process of its own: the hub's library reads its settings once."""
    code = (
        "import sys\n"
        "from hubscout.errors import CandidateError\n"
        "from hubscout.models.address import parse_address\n"
        "from hubscout.models.hub import locate\n"
        "try:\n"
        "    found = locate(parse_address(sys.argv[1]))\n"
        "    print(found.address, found.identity, found.licence, *sorted(p.name for p in found.path.iterdir()))\n"
        "except CandidateError as error:\n"
        "    print(error)\n"
    )
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_CACHE": str(cache), "HF_HUB_OFFLINE": offline}
    env = {name: value for name, value in env.items() if not name.lower().endswith("_proxy")}
    run = subprocess.run(
        [sys.executable, "-c", code, address], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


class TestOnline:
    def test_one_commit_and_only_what_is_needed(self, stub_hub, tmp_path):
        out = _locate_online(stub_hub, tmp_path, "hf:org/name")
        assert out == f"hf:org/name@{SHA} revision:{SHA} mit README.md config.json model.safetensors"
        fetched = [path for path in _StubHub.requests if "/resolve/" in path]
        assert fetched
        assert all(f"/resolve/{SHA}/" in path for path in fetched)
        _StubHub.requests.clear()
        assert _locate_online(stub_hub, tmp_path, "hf:org/name", offline="1") == out
        assert _StubHub.requests == []

    def test_a_busy_hub_and_a_model_in_the_cache(self, stub_hub, tmp_path, bert, monkeypatch):
        monkeypatch.setattr(_StubHub, "failing", True)
        _cache(tmp_path, "org/bert", bert)
        out = _locate_online(stub_hub, tmp_path, "hf:org/bert")
        assert out.startswith(f"hf:org/bert@{SHA} revision:{SHA}")

    def test_unknown_model_and_revision(self, stub_hub, tmp_path):
        assert _locate_online(stub_hub, tmp_path, "hf:org/other") == (
            "model 'org/other' is not on the hub; check its name, or set HF_TOKEN if it is private"
        )
        assert _locate_online(stub_hub, tmp_path, "hf:org/name@v9") == (
            "model 'org/name' has no revision 'v9'; use a branch, a tag or a full commit of 40 digits"
        )


class TestChooseFiles:
    def test_one_format_a_folder(self):
        names = [
            "config.json",
            "model.safetensors",
            "pytorch_model.bin",
            "tokenizer.json",
            "1_Pooling/config.json",
            "2_Dense/pytorch_model.bin",
            "onnx/model.onnx",
            "onnx/config.json",
            "tf_model.h5",
            "training_args.bin",
            "modeling.py",
        ]
        wanted = [
            "config.json",
            "model.safetensors",
            "tokenizer.json",
            "1_Pooling/config.json",
            "2_Dense/pytorch_model.bin",
        ]
        assert choose_files(names) == wanted
        assert choose_files(names, with_code=True) == [*wanted, "modeling.py"]
        assert choose_files(["pytorch_model.bin"]) == ["pytorch_model.bin"]


class TestReadLicence:
    @pytest.mark.parametrize(
        ("text", "licence"),
        [
            ("---\ntags:\n- a\nlicense: apache-2.0\n---\n", "apache-2.0"),
            ("---\nlicence: mit\n---\n", "mit"),
            ("# Title\nlicense: mit\n", None),
            ("", None),
        ],
    )
    def test_head_of_the_readme(self, tmp_path, text, licence):
        (tmp_path / "README.md").write_text(text)
        assert read_licence(tmp_path) == licence

    def test_no_readme(self, tmp_path):
        assert read_licence(tmp_path) is None
