from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch

from hubscout.errors import CandidateError, UnsafeFileError, UsageError
from hubscout.models.loading import load_encoder


def _direct(folder, pictures):
    """What timm itself gives for a folder, by its documentation."""
    import timm

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(model), is_training=False)
    # In the memory order the adapter runs in, since another order of summation differs in the last digits.
    model = model.to(memory_format=torch.channels_last)
    batch = torch.stack([transform(picture) for picture in pictures]).to(memory_format=torch.channels_last)
    with torch.no_grad():
        maps = model.forward_features(batch)
        return model.forward_head(maps, pre_logits=True).numpy(), model(batch).numpy(), model


class TestAgainstTimm:
    @pytest.mark.parametrize("name", ["test_vit", "test_resnet", "test_efficientnet", "test_convnext"])
    def test_features_and_logits(self, timm_folder, pictures, name):
        folder = timm_folder(name, num_classes=7)
        encoder = load_encoder(f"timm:local-dir:{folder}", device="cpu")
        batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
        features, logits, model = _direct(folder, pictures)
        np.testing.assert_allclose(batch.features, features, atol=1e-6)
        np.testing.assert_allclose(batch.logits, logits, atol=1e-5)
        assert batch.features.dtype == np.float32
        assert batch.features.flags.c_contiguous
        card = encoder.card
        assert card.feature_dim == features.shape[1] == model.head_hidden_size
        assert card.source_classes == 7
        head = sum(p.numel() for p in model.get_classifier().parameters())
        assert card.n_parameters == sum(p.numel() for p in model.parameters()) - head

    def test_card(self, timm_folder):
        import timm

        folder = timm_folder("test_vit", num_classes=7)
        card = load_encoder(f"timm:local-dir:{folder}", device="cpu").card
        assert card.address == f"timm:local-dir:{folder}"
        assert card.identity.startswith("sha256:")
        assert card.modality == "image"
        assert card.loader == f"timm {timm.__version__}"
        assert card.licence == "apache-2.0"
        assert card.transform["input_size"] == [3, 160, 160]
        assert card.transform["mean"] == [0.5, 0.5, 0.5]
        json.dumps(card.to_dict())

    def test_the_folder_s_own_transform_is_used(self, timm_folder, tmp_path, pictures):
        folder = tmp_path / "changed"
        shutil.copytree(timm_folder("test_vit", num_classes=7), folder)
        config = json.loads((folder / "config.json").read_text())
        config["pretrained_cfg"].update(mean=[0.1, 0.2, 0.3], interpolation="bilinear", crop_pct=0.5)
        (folder / "config.json").write_text(json.dumps(config))
        encoder = load_encoder(f"timm:local-dir:{folder}", device="cpu")
        assert encoder.card.transform["mean"] == [0.1, 0.2, 0.3]
        assert encoder.card.transform["crop_pct"] == 0.5
        batch = encoder.encode([encoder.prepare(picture) for picture in pictures])
        np.testing.assert_allclose(batch.features, _direct(folder, pictures)[0], atol=1e-6)

    def test_without_a_head(self, timm_folder, pictures):
        encoder = load_encoder(f"timm:local-dir:{timm_folder('test_resnet', num_classes=0)}", device="cpu")
        batch = encoder.encode([encoder.prepare(pictures[0])])
        assert batch.logits is None
        assert encoder.card.source_classes is None

    def test_a_row_does_not_depend_on_its_batch(self, timm_folder, pictures):
        encoder = load_encoder(f"timm:local-dir:{timm_folder('test_vit', num_classes=7)}", device="cpu")
        prepared = [encoder.prepare(picture) for picture in pictures]
        together = encoder.encode(prepared).features
        alone = np.concatenate([encoder.encode([one]).features for one in prepared])
        np.testing.assert_allclose(together, alone, atol=1e-5)
        np.testing.assert_array_equal(together, encoder.encode(prepared).features)

    def test_plain_bin_loads(self, timm_folder):
        folder = timm_folder("test_vit", safe=False, num_classes=3)
        assert not list(folder.glob("*.safetensors"))
        assert load_encoder(f"timm:local-dir:{folder}", device="cpu").card.source_classes == 3

    def test_pooling_has_nothing_to_act_on(self, timm_folder):
        card = load_encoder(
            f"timm:local-dir:{timm_folder('test_vit', num_classes=7)}", device="cpu", pooling="mean"
        ).card
        assert card.notes == ("pooling 'mean' is not used: this model pools its features itself",)


class TestRefusals:
    @pytest.mark.parametrize(
        ("address", "message"),
        [
            ("timm:resnt50", "timm has no model 'resnt50'; did you mean 'timm:resnet50'?"),
            (
                "timm:test_vit.nope",
                "timm model 'test_vit' has no weights 'nope'; it has r160_in1k",
            ),
            (
                "timm:resnet14t.x",
                "timm model 'resnet14t' has no weights 'x'; it has c3_in1k",
            ),
            (
                "timm:test_vit",
                (
                    "model 'timm/test_vit.r160_in1k' is not in the hub's cache and the hub cannot be reached; "
                    "connect once to fetch it, or give a folder, such as timm:local-dir:./folder"
                ),
            ),
            (
                "timm:local-dir:/no/such",
                "folder '/no/such' does not exist; check the path, which is relative to the current folder",
            ),
        ],
    )
    def test_names(self, address, message, monkeypatch, tmp_path):
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(CandidateError) as caught:
            load_encoder(address, device="cpu")
        assert str(caught.value) == message

    def test_options(self):
        with pytest.raises(UsageError, match="timm: addresses have no option 'pool'; it takes none"):
            load_encoder("timm:test_vit?pool=x")

    def test_evil_weights_do_not_run(self, timm_folder, tmp_path):
        import os

        class Evil:
            def __reduce__(self):
                return os.system, (f"touch {tmp_path / 'executed'}",)

        folder = tmp_path / "evil"
        folder.mkdir()
        shutil.copy(timm_folder("test_vit", num_classes=7) / "config.json", folder)
        torch.save({"weight": Evil()}, folder / "pytorch_model.bin")
        with pytest.raises(UnsafeFileError, match="hold more than tensors"):
            load_encoder(f"timm:local-dir:{folder}")
        assert not (tmp_path / "executed").exists()

    def test_no_weights(self, timm_folder, tmp_path):
        shutil.copy(timm_folder("test_vit", num_classes=7) / "config.json", tmp_path)
        with pytest.raises(CandidateError) as caught:
            load_encoder(f"timm:local-dir:{tmp_path}")
        assert str(caught.value) == (
            f"folder {str(tmp_path)!r} holds no weights (*.safetensors, or *.bin of tensors only); save the model there"
        )

    def test_weights_of_another_model(self, timm_folder, tmp_path):
        shutil.copy(timm_folder("test_vit", num_classes=7) / "config.json", tmp_path)
        shutil.copy(timm_folder("test_resnet", num_classes=7) / "model.safetensors", tmp_path)
        with pytest.raises(CandidateError, match=r"cannot be loaded: RuntimeError 'Error.* in loading state_dict"):
            load_encoder(f"timm:local-dir:{tmp_path}")
