"""Headers that fit their checksum and are not true: nothing in a file is believed."""

from __future__ import annotations

import copy

import pytest

import graphflow as gf
from graphflow.errors import FormatError, GraphflowError
from graphflow.save import load_graph, save_graph
from tests.save.graphs import build_model, build_tiny, changed, header_of, sealed


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiny") / "tiny.gfg"
    save_graph(path, build_tiny())
    return header_of(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.gfg"
    graph = gf.Graph()
    with graph.as_default():
        build_model()
    save_graph(path, graph)
    return header_of(path)


@pytest.fixture
def load(tmp_path):
    def loaded(header, blob):
        (tmp_path / "x.gfg").write_bytes(sealed(header, blob))
        return load_graph(tmp_path / "x.gfg")

    return loaded


JUNK = [None, -1, 3, "__class__", [], {"body": 0}]


def fault(load, header, blob):
    """The error of loading, or None."""
    try:
        load(header, blob)
    except GraphflowError as error:
        return error
    return None


def test_any_value_changed(load, tiny):
    """A changed file is refused in words, or is another sound graph."""
    header, blob = tiny
    refused = 0
    for what, made in changed(header, JUNK, 3):
        error = fault(load, made, blob)
        assert error is None or (isinstance(error, FormatError) and str(error).startswith("'")), (what, error)
        refused += error is not None
    assert refused > 400


@pytest.mark.slow
def test_any_value_of_a_larger_graph_changed(load, model):
    header, blob = model
    for what, made in changed(header, [*JUNK, True, 2**63, {"float": "inf"}, {"dim": 0}], 29):
        error = fault(load, made, blob)
        assert error is None or isinstance(error, FormatError), (what, error)


def node(header, name):
    return next(row for row in header["graphs"][0] if row["name"] == name)


def position(header, name):
    return next(k for k, row in enumerate(header["graphs"][0]) if row["name"] == name)


def edit(function):
    return pytest.param(function, id=function.__doc__)


def unknown_op(h):
    "the op is not known here"
    node(h, "hidden/y")["op"] = "os.system"


def unknown_attribute(h):
    "unexpected keyword argument '__class__'"
    node(h, "hidden/y")["attrs"] = {"__class__": 1}


def missing_attribute(h):
    "missing a required"
    del node(h, "concat")["attrs"]["axis"]


def wrong_attribute(h):
    "attribute 'axis' must be int"
    node(h, "concat")["attrs"]["axis"] = "0"


def attribute_out_of_range(h):
    "axis 5 is out of range"
    node(h, "concat")["attrs"]["axis"] = 5


def unknown_tag(h):
    "is no attribute value"
    node(h, "concat")["attrs"]["axis"] = {"eval": "1+1"}


def too_few_inputs(h):
    "do not fit: missing a required argument"
    del node(h, "hidden/MatMul")["inputs"][1]


def an_input_that_is_not_there(h):
    "earlier node 100000 is not there"
    node(h, "hidden/y")["inputs"][0] = [100000, 0]


def an_output_that_is_not_there(h):
    "output 1 is not there: there are 1"
    node(h, "hidden/y")["inputs"][0][1] = 1


def a_negative_index(h):
    "earlier node -1 is not there"
    node(h, "hidden/y")["inputs"][0][0] = -1


def an_index_that_is_true(h):
    "earlier node True is not there"
    node(h, "hidden/y")["inputs"][0][0] = True


def a_cycle(h):
    "is not there: there are"
    node(h, "hidden/y")["inputs"][0] = [position(h, "hidden/y"), 0]


def a_cycle_of_control(h):
    "is not there: there are"
    node(h, "step")["control"] = [position(h, "step")]


def a_name_twice(h):
    "the name is there twice"
    node(h, "hidden/y")["name"] = "x"


def a_malformed_name(h):
    "is not a name"
    node(h, "hidden/y")["name"] = "../../etc/passwd"


def an_empty_name(h):
    "name is malformed"
    node(h, "hidden/y")["name"] = ""


def a_malformed_device(h):
    "is not a device"
    node(h, "hidden/y")["device"] = "/GPU:0"


def a_false_dtype(h):
    "the file says that it gives"
    h["types"][node(h, "hidden/y")["types"][0]][0] = "float64"


def a_false_size(h):
    "the file says that it gives"
    k = len(h["types"])
    h["types"].append(["float32", [2, 4]])
    node(h, "hidden/y")["types"] = [k]


def a_size_that_is_said_to_be_another(h):
    "the file says that it gives"
    dims = h["types"][node(h, "concat")["types"][0]][1]
    k = len(h["types"])
    h["types"].append(["float64", [dims[1], dims[1]]])
    node(h, "concat")["types"] = [k]


def too_many_outputs(h):
    "the file says that it gives"
    node(h, "hidden/y")["types"] *= 2


def a_huge_type(h):
    "more than 2.63 elements"
    h["types"][0][1] = [2**62, 4]


def a_negative_size(h):
    "a size must be an integer"
    h["types"][0][1] = [-1]


def too_many_axes(h):
    "more than 64"
    h["types"][0][1] = [1] * 65


def an_unknown_dtype(h):
    "is not a dtype"
    h["types"][0][0] = "object"


def an_endless_product(h):
    "sum of more than 256 terms"
    h["dims"] = [[[[0], 1], [[], 1]]] * len(h["dims"])
    h["types"][0][1] = [{"dim": 0}] * 40


def a_size_that_is_no_polynomial(h):
    "is no polynomial"
    h["dims"][0] = [[[], 3]]


def a_dimension_with_a_false_name(h):
    "is not the name of a dimension"
    h["symbols"][0] = "os.system"


def a_dimension_twice(h):
    "a symbol is listed twice"
    h["symbols"] += ["batch"]


def ranks_with_a_gap(h):
    "ranks of the unnamed symbols"
    h["symbols"] += [99]


def a_body_in_itself(h):
    "contains itself"
    body = h["bodies"][0]["graph"]
    outer = node(h, "cond")
    h["graphs"][body].append(copy.deepcopy({**outer, "inputs": [], "name": "again"}))


def bodies_in_a_ring(h):
    "contains itself"
    first, second = h["bodies"][0]["graph"], h["bodies"][1]["graph"]
    for inside, other in ((first, 1), (second, 0)):
        row = copy.deepcopy({**node(h, "cond"), "inputs": [], "name": "again"})
        row["attrs"]["bodies"] = [{"body": other}]
        h["graphs"][inside].append(row)


def a_body_that_nothing_uses(h):
    "belong to no node"
    h["graphs"].append([])
    h["bodies"].append(
        {"graph": len(h["graphs"]) - 1, "inputs": [], "outputs": [], "effects": [], "captures": 0}
    )


def a_graph_that_nothing_uses(h):
    "each graph but the first"
    h["graphs"].append([])


def two_bodies_of_one_graph(h):
    "each graph but the first"
    h["bodies"][0]["graph"] = h["bodies"][1]["graph"]


def a_body_whose_input_is_computed(h):
    "inputs must be placeholders"
    body = h["bodies"][0]
    body["inputs"][0] = body["outputs"][0]


def a_body_with_an_input_twice(h):
    "each once"
    h["bodies"][0]["inputs"] = [h["bodies"][0]["inputs"][0]] * 2


def a_body_that_cannot_be_fed(h):
    "is none of its inputs"
    h["bodies"][0]["inputs"] = []
    h["bodies"][0]["captures"] = 0


def a_variable_that_is_none(h):
    "do not fit together"
    h["variables"][0]["handle"] = position(h, "x")


def an_initializer_of_another_variable(h):
    "do not fit together"
    h["variables"][0]["initializer"] = h["variables"][1]["initializer"]


def a_read_of_another_variable(h):
    "do not fit together"
    h["variables"][0]["reads"] = h["variables"][1]["reads"]


def a_collection_item_that_is_not_there(h):
    "variable 7 is not there"
    h["collections"]["variables"][0] = {"variable": 7}


def a_collection_item_of_code(h):
    "is no item"
    h["collections"]["variables"][0] = {"pickle": "gASVBgAAAAAAAABLAS4="}


def a_float_that_is_none(h):
    "is not a float"
    h["collections"]["settings"][0]["value"][1] = {"float": "0x1p99999"}


def a_float_spelled_otherwise(h):
    "as this format writes it"
    h["collections"]["settings"][0]["value"][1] = {"float": "0.5"}


def a_seed_out_of_range(h):
    "seed must be an integer"
    h["seed"] = 2**64


def a_line_that_is_none(h):
    "line 0 must be"
    h["places"][0] = ["a.py", "12", "f"]


def an_unknown_key(h):
    "unknown key 'exec'"
    h["exec"] = "print(1)"


def no_graph(h):
    "holds no graph"
    h["graphs"] = []


EDITS = [
    value
    for value in list(globals().values())
    if callable(value)
    and value.__module__ == __name__
    and getattr(value, "__code__", None) is not None
    and value.__code__.co_varnames[:1] == ("h",)
]


@pytest.mark.parametrize("change", EDITS, ids=lambda change: change.__name__)
def test_a_lie_is_found(load, model, change):
    header, blob = copy.deepcopy(model[0]), model[1]
    change(header)
    with pytest.raises(FormatError, match=change.__doc__):
        load(header, blob)


def test_an_error_names_node_and_line(load, model):
    header, blob = copy.deepcopy(model[0]), model[1]
    node(header, "hidden/y")["types"] = [0, 0]
    with pytest.raises(
        FormatError, match=r"x\.gfg': node 'hidden/y' \(tanh\), made at graphs\.py:\d+: the file says"
    ):
        load(header, blob)
