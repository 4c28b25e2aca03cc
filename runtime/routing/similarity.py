"""How near two texts are in meaning, by sentence embeddings: an extra (`fleetlog[embeddings]`), offline, on the CPU.

Its rule: numpy and its companions are imported when a model is loaded and not before; nothing is ever downloaded. The
model is a folder with `config.json`, `tokenizer.json` and `model.safetensors` of a BERT-like sentence encoder, such as
all-MiniLM-L6-v2.
"""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from fleetlog.domain.errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["BertSimilarity", "Similarity"]

MAX_TOKENS = 256
KEPT_VECTORS = 20_000
_FILES = ("config.json", "tokenizer.json", "model.safetensors")


class Similarity(Protocol):
    """Something that knows how near texts are in meaning. Any thread."""

    def to(self, text: str, others: Sequence[str]) -> list[float]:
        """The cosine similarity of the text to each of the others, from -1 to 1."""


class _Shape(msgspec.Struct, frozen=True):
    """What a model's `config.json` says of its form."""

    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int
    max_position_embeddings: int
    layer_norm_eps: float = 1e-12


class BertSimilarity:
    """Mean-pooled, normalised embeddings of a BERT encoder. Vectors of texts that were seen are kept."""

    def __init__(self, folder: Path) -> None:
        """Load the model. Raises `InvalidArgument` when a file is missing or no such model, or the extra is not
        installed."""
        missing = [name for name in _FILES if not (folder / name).is_file()]
        if missing:
            raise InvalidArgument(f"the embeddings model {folder} lacks {', '.join(missing)}")
        try:
            import numpy
            from safetensors.numpy import load_file
            from tokenizers import Tokenizer
        except ImportError as error:
            raise InvalidArgument(
                f"the embeddings model {folder} needs the extra: pip install 'fleetlog[embeddings]' ({error})"
            ) from error
        self._np = numpy
        try:
            self._shape = msgspec.json.decode((folder / "config.json").read_bytes(), type=_Shape)
            self._weights = {name.removeprefix("bert."): value for name, value in load_file(folder / _FILES[2]).items()}
            self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
            self._tokenizer.no_padding()
            self._tokenizer.enable_truncation(min(MAX_TOKENS, self._shape.max_position_embeddings))
            self._vector = functools.lru_cache(KEPT_VECTORS)(self._embedded)
            self._vector("a word")
        except Exception as error:  # the tokenizer raises plain Exceptions; the weights may lack anything
            raise InvalidArgument(f"{folder} holds no sentence encoder of BERT's form: {error!r:.200}") from error

    def to(self, text: str, others: Sequence[str]) -> list[float]:
        """See `Similarity`."""
        asked = self._vector(text)
        return [float(asked @ self._vector(other)) for other in others]

    def _embedded(self, text: str) -> "NDArray[Any]":
        """The unit vector of a text: the mean of its tokens' last hidden states, as sentence-transformers pools it."""
        ids = self._tokenizer.encode(text).ids
        words = self._weights["embeddings.word_embeddings.weight"][ids]
        places = self._weights["embeddings.position_embeddings.weight"][: len(ids)]
        kind = self._weights["embeddings.token_type_embeddings.weight"][0]
        state = self._normalised(words + places + kind, "embeddings.LayerNorm")
        for layer in range(self._shape.num_hidden_layers):
            state = self._layer(state, f"encoder.layer.{layer}")
        mean = state.mean(axis=0)
        return mean / max(float(self._np.linalg.norm(mean)), 1e-12)  # type: ignore[no-any-return]

    def _layer(self, state: Any, at: str) -> Any:
        """One encoder layer of Devlin et al., "BERT", 2019 (post-norm, as in Vaswani et al., 2017)."""
        attended = self._linear(self._attention(state, f"{at}.attention.self"), f"{at}.attention.output.dense")
        state = self._normalised(state + attended, f"{at}.attention.output.LayerNorm")
        inner = self._gelu(self._linear(state, f"{at}.intermediate.dense"))
        return self._normalised(state + self._linear(inner, f"{at}.output.dense"), f"{at}.output.LayerNorm")

    def _attention(self, state: Any, at: str) -> Any:
        heads = self._shape.num_attention_heads
        size = self._shape.hidden_size // heads

        def split(name: str) -> Any:
            return self._linear(state, f"{at}.{name}").reshape(len(state), heads, size).transpose(1, 0, 2)

        query, key, value = split("query"), split("key"), split("value")
        scores = query @ key.transpose(0, 2, 1) / size**0.5
        raised = self._np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares = raised / raised.sum(axis=-1, keepdims=True)
        return (shares @ value).transpose(1, 0, 2).reshape(len(state), heads * size)

    def _linear(self, state: Any, at: str) -> Any:
        return state @ self._weights[f"{at}.weight"].T + self._weights[f"{at}.bias"]

    def _normalised(self, state: Any, at: str) -> Any:
        centred = state - state.mean(axis=-1, keepdims=True)
        deviation = self._np.sqrt((centred**2).mean(axis=-1, keepdims=True) + self._shape.layer_norm_eps)
        return centred / deviation * self._weights[f"{at}.weight"] + self._weights[f"{at}.bias"]

    def _gelu(self, x: Any) -> Any:
        """x * Phi(x), with erf after Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26 (absolute
        error below 1.5e-7)."""
        np = self._np
        z = np.abs(x) / 2**0.5
        t = 1 / (1 + 0.3275911 * z)
        series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
        erf = np.sign(x) * (1 - series * np.exp(-z * z))
        return x * 0.5 * (1 + erf)
