"""ecf8.transformers: `from_pretrained` of compressed folders."""

import filecmp
import json
import os

import pytest
from conftest import need, same

torch = need("torch")
transformers = need("transformers")

import ecf8  # noqa: E402
import ecf8.torch as et  # noqa: E402
import ecf8.transformers  # noqa: E402
from models import F8, TOKENS, llama, logits, saved  # noqa: E402

AutoModel = transformers.AutoModelForCausalLM


def load(folder, **options):
    return AutoModel.from_pretrained(folder, **{"dtype": torch.bfloat16} | options)


def prepared(folder):
    ecf8.compress(folder, folder + "-ecf8")
    ecf8.transformers.prepare(folder + "-ecf8")
    return folder + "-ecf8"


@pytest.fixture(scope="module", params=["bf16", "cast", "block"])
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def folders(request, kind, tmp_path_factory):
    folder = saved(tmp_path_factory.mktemp("model") / "plain", kind, request.param)
    return folder, prepared(folder)


@pytest.mark.parametrize("options", [{}, {"device_map": "cpu"}, {"device_map": "auto"}, {"dtype": "auto"}], ids=str)
def test_a_model_is_loaded_bit_for_bit_with_a_clean_report(folders, kind, options):
    if options.get("device_map"):
        need("accelerate")
    # Of a plain cast "auto" takes FP8 for the whole model, with which nobody computes.
    if kind == "cast" and options.get("dtype"):
        pytest.skip("skipped: transformers itself cannot run a model that it takes for FP8")
    plain, compressed = folders
    expected = logits(load(plain, **options))
    model, report = load(compressed, output_loading_info=True, **options)
    assert not any(report[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), report
    assert torch.equal(logits(model), expected)
    if options:
        return
    how = dict(max_new_tokens=4, do_sample=False, pad_token_id=0)
    assert torch.equal(model.generate(TOKENS, **how), load(plain, **options).generate(TOKENS, **how))


def test_linear_weights_stay_compressed_where_they_are_used_as_they_are_stored(folders, kind):
    model = load(folders[1])
    kept = [name for name, p in model.named_parameters() if isinstance(p, et.CompressedParameter)]
    is_tied = model.config.tie_word_embeddings
    # A CPU converts FP8 with scales to BF16, so of these only the head is as it was.
    expected = {"bf16": 21, "cast": 21, "block": 0}[kind] + (not is_tied)
    assert len(kept) == expected
    handle = et.handle_of(model)
    assert handle is None if not kept else handle.bytes < 0.8 * handle.dense_bytes


def test_all_is_decoded_while_loading_if_that_is_said(folders):
    plain, compressed = folders
    path = os.path.join(compressed, "config.json")
    ecf8.transformers.prepare(compressed, keep_compressed=False)
    try:
        model = load(compressed)
    finally:
        ecf8.transformers.prepare(compressed, keep_compressed=True)
    assert et.handle_of(model) is None
    assert torch.equal(logits(model), logits(load(plain)))
    with open(path) as file:
        assert json.load(file)["quantization_config"]["original_config"] == open(os.path.join(plain, "config.json")).read()


def test_a_loaded_model_is_saved_as_the_plain_one_it_was(folders, tmp_path):
    plain, compressed = folders
    load(plain).save_pretrained(tmp_path / "one")
    load(compressed).save_pretrained(tmp_path / "other")
    from safetensors.torch import load_file

    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("one", "other"))
    assert one.keys() == other.keys()
    # A plain cast stays FP8, where transformers converts it.
    assert all(same(one[name], other[name].to(one[name].dtype)) for name in one)
    assert "quantization_config" not in json.load(open(tmp_path / "other" / "config.json"))
    assert torch.equal(logits(load(str(tmp_path / "other"))), logits(load(plain)))


def test_a_decompressed_folder_is_the_original(folders, tmp_path):
    plain, compressed = folders
    ecf8.decompress(compressed, tmp_path / "back")
    names = sorted(os.listdir(plain))
    assert sorted(os.listdir(tmp_path / "back")) == names
    assert filecmp.cmpfiles(plain, tmp_path / "back", names, shallow=False)[0] == names
    ecf8.verify(compressed)


def test_shards_and_their_index_are_read(tmp_path):
    folder = str(tmp_path / "plain")
    llama().save_pretrained(folder, max_shard_size="1MB")
    assert len([name for name in os.listdir(folder) if name.endswith(".safetensors")]) > 2
    model = load(prepared(folder))
    assert torch.equal(logits(model), logits(load(folder)))
    # One buffer for all shards.
    assert len(list(et.handle.handles_of(model))) == 1


def test_a_plain_model_is_compressed_when_it_has_been_loaded(tmp_path):
    folder = saved(tmp_path / "plain")
    model = load(folder, quantization_config=ecf8.transformers.Ecf8Config())
    assert et.handle_of(model) is not None
    assert torch.equal(logits(model), logits(load(folder)))


def test_an_fp32_load_of_a_bf16_container_is_exact(tmp_path):
    folder = saved(tmp_path / "plain")
    expected = logits(load(folder, dtype=torch.float32))
    assert torch.equal(logits(load(prepared(folder), dtype=torch.float32)), expected)


def test_the_hook_that_transformers_reads_through_is_still_there():
    """If this fails, transformers reads weights in another way than by `modeling_utils.safe_open`, and the door has to be found anew."""
    import inspect

    source = inspect.getsource(transformers.modeling_utils)
    assert "safe_open(file" in source and transformers.modeling_utils.safe_open is ecf8.transformers._open


def test_every_question_goes_to_the_inner_quantiser(folders, kind):
    if kind != "block":
        return
    config = transformers.AutoConfig.from_pretrained(folders[1]).quantization_config
    quantiser = ecf8.transformers.Ecf8HfQuantizer(ecf8.transformers.Ecf8Config.from_dict(dict(config)))
    assert type(quantiser.inner).__name__ == "FineGrainedFP8HfQuantizer"
    assert quantiser.quantized_element_size == 1
    assert quantiser.get_load_operations() == quantiser.inner.get_load_operations() != {}
    assert F8.itemsize == 1
