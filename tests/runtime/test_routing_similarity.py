"""Nearness in meaning, by tiny models that are made up here: the arithmetic, the blend, and models that are none."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.routing.similarity import BertSimilarity

OpenRuntime = Callable[..., Runtime]
Weights = dict[str, Any]
WORDS = ("[UNK]", "cook", "chef", "soup", "law", "lawyer", "court")
SIZE, HEADS, INNER, PLACES = 8, 2, 12, 16


def write_model(folder: Path, weights: Weights, layers: int, prefix: str = "") -> Path:
    folder.mkdir()
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    shape = {"num_hidden_layers": layers, "num_attention_heads": HEADS, "hidden_size": SIZE}
    (folder / "config.json").write_text(json.dumps({**shape, "max_position_embeddings": PLACES, "model_type": "bert"}))
    save_file(
        {prefix + name: value.astype(np.float32) for name, value in weights.items()}, folder / "model.safetensors"
    )
    return folder


def random_weights(layers: int) -> Weights:
    made = np.random.default_rng(7)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS), SIZE),
        "embeddings.position_embeddings.weight": (PLACES, SIZE),
        "embeddings.token_type_embeddings.weight": (2, SIZE),
    }
    norms = ["embeddings.LayerNorm"]
    for n in range(layers):
        at = f"encoder.layer.{n}"
        norms += [f"{at}.attention.output.LayerNorm", f"{at}.output.LayerNorm"]
        square = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        sizes = dict.fromkeys([*square, f"{at}.attention.output.dense"], (SIZE, SIZE))
        sizes |= {f"{at}.intermediate.dense": (INNER, SIZE), f"{at}.output.dense": (SIZE, INNER)}
        for name, (rows, columns) in sizes.items():
            shapes |= {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
    for name in norms:
        shapes |= {f"{name}.weight": (SIZE,), f"{name}.bias": (SIZE,)}
    return {name: made.normal(size=shape) for name, shape in shapes.items()}


# --- the arithmetic, once more, number by number ---------------------------------------------------


def linear(weights: Weights, at: str, x: Sequence[float]) -> list[float]:
    rows, bias = weights[f"{at}.weight"], weights[f"{at}.bias"]
    return [sum(w * v for w, v in zip(row, x, strict=True)) + b for row, b in zip(rows, bias, strict=True)]


def normalised(weights: Weights, at: str, x: Sequence[float]) -> list[float]:
    mean = sum(x) / len(x)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in x) / len(x) + 1e-12)
    scale, shift = weights[f"{at}.weight"], weights[f"{at}.bias"]
    return [(v - mean) / deviation * s + b for v, s, b in zip(x, scale, shift, strict=True)]


def plus(x: Sequence[float], y: Sequence[float]) -> list[float]:
    return [a + b for a, b in zip(x, y, strict=True)]


def attended(weights: Weights, at: str, states: Sequence[Sequence[float]], n: int) -> list[float]:
    """What token n gathers from all tokens, head by head."""
    query, keys = linear(weights, f"{at}.query", states[n]), [linear(weights, f"{at}.key", s) for s in states]
    values, width, gathered = [linear(weights, f"{at}.value", s) for s in states], SIZE // HEADS, list[float]()
    for head in range(HEADS):
        span = range(head * width, (head + 1) * width)
        raised = [math.exp(sum(query[i] * key[i] for i in span) / math.sqrt(width)) for key in keys]
        gathered += [sum(r * v[i] for r, v in zip(raised, values, strict=True)) / sum(raised) for i in span]
    return gathered


def layer(weights: Weights, at: str, states: Sequence[Sequence[float]]) -> list[list[float]]:
    made = []
    for n, state in enumerate(states):
        gathered = linear(weights, f"{at}.attention.output.dense", attended(weights, f"{at}.attention.self", states, n))
        mid = normalised(weights, f"{at}.attention.output.LayerNorm", plus(state, gathered))
        inner = [v / 2 * (1 + math.erf(v / math.sqrt(2))) for v in linear(weights, f"{at}.intermediate.dense", mid)]
        out = linear(weights, f"{at}.output.dense", inner)
        made.append(normalised(weights, f"{at}.output.LayerNorm", plus(mid, out)))
    return made


def vector(weights: Weights, layers: int, text: str) -> list[float]:
    tables = [weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")]
    states = [
        normalised(
            weights, "embeddings.LayerNorm", plus(plus(tables[0][WORDS.index(word)], tables[1][n]), tables[2][0])
        )
        for n, word in enumerate(text.split())
    ]
    for n in range(layers):
        states = layer(weights, f"encoder.layer.{n}", states)
    mean = [sum(column) / len(states) for column in zip(*states, strict=True)]
    return [v / math.sqrt(sum(v * v for v in mean)) for v in mean]


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_the_encoder_computes_what_its_definition_says(tmp_path: Path, prefix: str) -> None:
    weights = random_weights(2)
    model = BertSimilarity(write_model(tmp_path / "m", weights, 2, prefix))
    texts = ["cook", "cook soup", "lawyer court law law", "soup cook"]
    expected = [
        sum(a * b for a, b in zip(vector(weights, 2, texts[1]), vector(weights, 2, other), strict=True))
        for other in texts
    ]
    assert model.to(texts[1], texts) == pytest.approx(expected, abs=1e-5)
    assert model.to("cook soup", ["cook soup"]) == pytest.approx([1.0])


def test_texts_longer_than_the_model_and_texts_without_words_have_a_vector(tmp_path: Path) -> None:
    model = BertSimilarity(write_model(tmp_path / "m", random_weights(1), 1))
    near = model.to("soup " * 10_000, ["soup " * PLACES])
    assert near == pytest.approx([1.0])


# --- in routing ----------------------------------------------------------------------------------


def meanings() -> Weights:
    """A model without layers, in which the kitchen's words are one thing and the court's another."""
    made = np.random.default_rng(3)
    vectors = np.zeros((len(WORDS), SIZE))
    vectors[1:4, 0], vectors[4:, 1], vectors[0, 2:] = 5, 5, made.normal(size=SIZE - 2) / 20
    zeros = {
        "embeddings.position_embeddings.weight": (PLACES, SIZE),
        "embeddings.token_type_embeddings.weight": (2, SIZE),
    }
    plain = {"embeddings.LayerNorm.weight": np.ones(SIZE), "embeddings.LayerNorm.bias": np.zeros(SIZE)}
    words = {"embeddings.word_embeddings.weight": vectors + made.normal(size=vectors.shape) / 50}
    return {**words, **{name: np.zeros(shape) for name, shape in zeros.items()}, **plain}


def staffed(open_runtime: OpenRuntime, model: Path | str) -> Runtime:
    runtime = open_runtime(config=RuntimeConfig(close_timeout_s=3.0, linger_s=0, embeddings_model=str(model)))
    runtime.spawn_fleet(FleetSpec(agents=tuple(AgentSpec(role=role, prompt=role) for role in ("chef", "lawyer"))))
    return runtime


def test_an_agent_that_is_near_in_meaning_is_found_without_a_common_word(
    open_runtime: OpenRuntime, tmp_path: Path
) -> None:
    runtime = staffed(open_runtime, write_model(tmp_path / "m", meanings(), 0))
    (match,) = runtime.route_work("soup", 5).matches
    assert match.role == "chef"
    assert match.why.startswith("is near in meaning (0.")
    assert 0 < match.score <= 0.4
    (match,) = runtime.route_work("law court", 5).matches
    assert match.why.startswith("is near in meaning (0.")
    assert match.role == "lawyer"


def test_without_a_model_only_words_count(open_runtime: OpenRuntime) -> None:
    assert staffed(open_runtime, "").route_work("soup").matches == ()


def test_the_environment_may_name_the_model(
    open_runtime: OpenRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLEETLOG_EMBEDDINGS_MODEL", str(write_model(tmp_path / "m", meanings(), 0)))
    assert [match.role for match in staffed(open_runtime, "").route_work("soup", 2).matches] == ["chef"]


@pytest.mark.parametrize("harm", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_holds_no_model_is_named(open_runtime: OpenRuntime, tmp_path: Path, harm: str) -> None:
    folder = write_model(tmp_path / "m", meanings(), 0)
    (folder / harm).write_text("{}")
    with pytest.raises(InvalidArgument, match="holds no sentence encoder of BERT's form"):
        staffed(open_runtime, folder).route_work("soup")
    (folder / harm).unlink()
    with pytest.raises(InvalidArgument, match=f"lacks {harm}"):
        BertSimilarity(folder)


def test_a_model_without_the_weights_it_speaks_of_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"encoder\.layer\.0"):
        BertSimilarity(write_model(tmp_path / "m", meanings(), 1))
