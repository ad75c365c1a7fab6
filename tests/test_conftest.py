from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest


class TestNetworkBlock:
    def test_names_and_addresses_beyond_this_machine_are_refused(self):
        with pytest.raises(RuntimeError, match=r"tried to reach 'huggingface\.co' over the network"):
            socket.getaddrinfo("huggingface.co", 443)
        with socket.socket() as client, pytest.raises(RuntimeError, match=r"tried to reach '192\.0\.2\.1'"):
            client.connect(("192.0.2.1", 443))

    def test_this_machine_is_allowed(self):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
            pass


class TestTorchvision:
    def test_spawned_processes_can_import_it(self):
        code = "import sys, torchvision; print(torchvision.ops.nms.__name__, 'torchvision_compat' in sys.modules)"
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env={**os.environ}, check=False
        )
        assert run.stdout.split() == ["nms", "True"], run.stderr

    def test_non_maximum_suppression(self):
        torch = pytest.importorskip("torch")
        from torchvision.ops import nms

        boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 0.9], [2, 2, 3, 3]])
        assert nms(boxes, torch.tensor([0.5, 0.6, 0.7]), 0.5).tolist() == [2, 1]
