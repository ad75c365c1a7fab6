from hubscout.report.names import short_name, short_names


def test_a_plain_address_stays_as_it_is():
    assert short_name("timm:resnet50.a1_in1k") == "timm:resnet50.a1_in1k"


def test_options_give_way_to_the_name_of_the_weights():
    address = 'torch:nets:build?config={"a":[1,2]}&mean=0.5,0.5,0.5&weights=/data/my%20run/step-10.safetensors'
    assert short_name(address) == "torch:nets:build [step-10]"


def test_a_commit_keeps_twelve_digits_also_before_options():
    commit = "0123456789abcdef" * 2 + "01234567"
    assert short_name(f"hf:org/name@{commit}?modality=text") == "hf:org/name@0123456789ab"
    assert short_name("hf:org/name@v1.0") == "hf:org/name@v1.0"


def test_names_that_would_look_alike_stay_whole():
    addresses = ["torch:n:b?weights=a/x.pt", "torch:n:b?weights=b/x.pt", "torch:n:b?weights=b/y.pt"]
    assert list(short_names(addresses).values()) == [*addresses[:2], "torch:n:b [y]"]
