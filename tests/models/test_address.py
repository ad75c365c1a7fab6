from __future__ import annotations

import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hubscout.errors import UsageError
from hubscout.models.address import SCHEMES, Address, is_local_path, parse_address

PRINTABLE = st.text(st.characters(exclude_categories=("C", "Z")), max_size=20)
HUB_PART = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,8}", fullmatch=True)
KEYS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.\-]{0,6}", fullmatch=True)
OPTIONS = st.dictionaries(KEYS, PRINTABLE, max_size=3)
REVISIONS = st.none() | st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_./\-]{0,8}", fullmatch=True)
PATHS = PRINTABLE.filter(bool).map(lambda text: f"./{text}")

ADDRESSES = st.one_of(
    st.builds(
        Address,
        st.sampled_from(["hf", "st"]),
        st.builds("{}/{}".format, HUB_PART, HUB_PART),
        REVISIONS,
        OPTIONS,
    ),
    st.builds(Address, st.sampled_from(["hf", "st"]), PATHS, st.none(), OPTIONS),
    st.builds(Address, st.just("timm"), HUB_PART, REVISIONS, OPTIONS),
    st.builds(Address, st.just("timm"), PATHS.map("local-dir:{}".format), st.none(), OPTIONS),
    st.builds(Address, st.sampled_from(["onnx", "features"]), PRINTABLE.filter(bool), st.none(), OPTIONS),
    st.builds(Address, st.just("torch"), st.just("pkg.mod:build"), st.none(), OPTIONS),
    st.builds(Address, st.just("bundled"), HUB_PART, st.none(), OPTIONS),
)


class TestRoundTrip:
    @given(ADDRESSES)
    @example(Address("hf", "./with@sign?and%41", None, {"prompt": "query: a&b=c#d + e%20"}))
    @example(Address("torch", "a:b", None, {"config": '{"arch": [["ds_r1_k3_s1_c16"]], "n": 1}'}))
    @example(Address("timm", "hf-hub:org/name", "v1.0"))
    @example(Address("timm", "local-dir:name@here"))
    def test_text_parses_back_and_is_canonical(self, address):
        parsed = parse_address(str(address))
        assert parsed == address
        assert str(parsed) == str(address)
        assert hash(parsed) == hash(address)

    @given(st.text() | st.builds("{}:{}".format, st.sampled_from(SCHEMES), st.text()))
    @example("hf:%00")
    @example("timm:a@")
    @example("\x1b[31m")
    @example("hf:a\ud800")
    def test_any_text_is_an_address_or_a_usage_error(self, text):
        try:
            address = parse_address(text)
        except UsageError as error:
            message = str(error)
            assert "\n" not in message
            assert message.isprintable()
        else:
            assert parse_address(str(address)) == address

    def test_survives_pickling_between_processes(self):
        address = Address("torch", "a:b", options={"weights": "w.safetensors"})
        assert pickle.loads(pickle.dumps(address)) == address


class TestReading:
    def test_parts(self):
        address = parse_address('torch:pkg.mod:factory?weights=a%20b.safetensors&config={"n":3}')
        assert (address.scheme, address.name, address.revision) == ("torch", "pkg.mod:factory", None)
        assert dict(address.options) == {"weights": "a b.safetensors", "config": '{"n":3}'}

    @pytest.mark.parametrize(
        ("text", "name", "revision"),
        [
            ("hf:org/name@refs/pr/1", "org/name", "refs/pr/1"),
            ("hf:./dir@v1", "./dir@v1", None),
            ("timm:hf-hub:org/name@abc", "hf-hub:org/name", "abc"),
            ("timm:resnet50.a1_in1k@main", "resnet50.a1_in1k", "main"),
            ("timm:local-dir:dir@v1", "local-dir:dir@v1", None),
            ("onnx:a@b.onnx", "a@b.onnx", None),
        ],
    )
    def test_revision_belongs_to_hub_names_only(self, text, name, revision):
        address = parse_address(text)
        assert (address.name, address.revision) == (name, revision)

    def test_options_are_read_only(self):
        with pytest.raises(TypeError):
            parse_address("onnx:a.onnx?features=x").options["features"] = "y"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "facebook/dinov2-small",
                (
                    "address 'facebook/dinov2-small' names no source; write one of hf:facebook/dinov2-small, "
                    "st:facebook/dinov2-small, timm:hf-hub:facebook/dinov2-small"
                ),
            ),
            ("resnet50", "address 'resnet50' names no source; write one of timm:resnet50, bundled:resnet50"),
            ("net.onnx", "address 'net.onnx' names no source; write one of onnx:net.onnx"),
            ("x/f.npz", "address 'x/f.npz' names no source; write one of features:x/f.npz"),
            (
                "./dir",
                "address './dir' names no source; write one of hf:./dir, st:./dir, timm:local-dir:./dir",
            ),
            ("tim:resnet50", "address 'tim:resnet50' has the unknown scheme 'tim'; did you mean 'timm:resnet50'?"),
            (
                "zzz:a",
                "address 'zzz:a' has the unknown scheme 'zzz'; use one of bundled, features, hf, onnx, st, timm, torch",
            ),
            (
                "hf-hub:org/name",
                "address 'hf-hub:org/name' has the prefix of a timm source; write 'timm:hf-hub:org/name'",
            ),
            ("", "address must be of the form scheme:name, such as 'timm:resnet50', got ''"),
            ("timm:", "address 'timm:' must name something after the colon, such as 'timm:resnet50.a1_in1k'"),
            (
                "hf:a b",
                (
                    "address name 'a b' must be a hub name (org/name) or a folder (./name), "
                    "such as 'hf:facebook/dinov2-small'"
                ),
            ),
            (
                "torch:module",
                (
                    "address name 'module' must be module:factory, "
                    "such as 'torch:package.module:factory?weights=file.safetensors'"
                ),
            ),
            (
                "onnx:a?b",
                "address 'onnx:a?b' must have options of the form name=value after '?', got 'b'",
            ),
            ("onnx:a?b=1&b=2", "address 'onnx:a?b=1&b=2' gives the option 'b' twice; keep one of them"),
            (
                "hf:org/name@",
                "address 'hf:…' got the revision ''; only a hub name takes one, and it is a branch, a tag or a commit",
            ),
            (
                "onnx:a%0ab",
                "address part 'a\\nb' must not hold control characters; rename the file or leave them out",
            ),
        ],
    )
    def test_errors_say_what_to_write(self, text, message):
        with pytest.raises(UsageError) as caught:
            parse_address(text)
        assert str(caught.value) == message

    def test_not_text(self):
        with pytest.raises(UsageError, match="address must be text such as 'timm:resnet50', got int"):
            parse_address(3)


class TestPaths:
    @pytest.mark.parametrize("name", ["./a", "../a", "/a", "~/a", "a/b/c", "C:\\a"])
    def test_folders(self, name):
        assert is_local_path(name)

    @pytest.mark.parametrize("name", ["a", "a/b", "org.x/name.y"])
    def test_hub_names(self, name):
        assert not is_local_path(name)
