"""Models: what learns the task."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from regrok.study.base import NONE_AT_ZERO, Count, Positive, Role, Share, Strict, Unit

Activation = Literal["relu", "gelu", "tanh", "quadratic"]

Rate = Annotated[Share | None, NONE_AT_ZERO]
"""Of dropout: a share in (0, 1), or null, which 0 is too."""


Factor = Annotated[
    Positive | None,
    BeforeValidator(lambda given: None if type(given) in (int, float) and given == 1 else given),
]
"""A factor that may be absent, which 1 is too."""


class Transformer(Strict):
    """One encoder layer on the tokens (a, b), then LayerNorm and a linear head."""

    name: Literal["transformer"]
    """transformer: one encoder layer on two tokens."""
    norm: Literal["post", "pre"]
    """LayerNorm after the residual sum (PyTorch's default; 2603.13331) or before (2603.25009)."""
    readout: Literal["last", "mean"]
    """The logits read the last token, or the mean of the two."""
    d_model: Annotated[int, Field(ge=1, le=4096)]
    """Width of the residual stream; a multiple of heads."""
    heads: Count
    """Number of attention heads."""
    ffn: Annotated[int, Field(ge=1, le=16384)]
    """Width of the feed-forward layer."""
    activation: Literal["relu", "gelu"]
    """Activation of the feed-forward layer."""
    init_scale: Annotated[Positive, Role.FREE]
    """Factor on PyTorch's default initialisation (LayerNorm gains excepted); 1 is the default."""
    embeddings: Literal["separate"] | None = None
    """separate: a table of embeddings for each operand; null: one for both."""

    @model_validator(mode="after")
    def _consistent(self) -> "Transformer":
        if self.d_model % self.heads:
            raise ValueError(f"d_model = {self.d_model} is not a multiple of heads = {self.heads}")
        return self


class MLP(Strict):
    """Embedded tokens or a vector, hidden layers, a linear output."""

    name: Literal["mlp"]
    """mlp: a multilayer perceptron."""
    input: Literal["sum", "concat", "vector"]
    """Token embeddings summed or concatenated; vector for tasks without tokens."""
    depth: Annotated[int, Field(ge=1, le=8), Unit("layer")]
    """Hidden layers, 1 to 8."""
    width: Annotated[int, Field(ge=1, le=16384)]
    """Width of each hidden layer (and of the embedding)."""
    activation: Activation
    """Activation of the hidden layers."""
    residual: bool
    """true: pre-norm residual blocks h + 0.5·FC2(act(FC1(LN(h)))) (2603.25009)."""
    init_scale: Annotated[Positive, Role.FREE]
    """Factor on PyTorch's default initialisation (LayerNorm gains excepted); 1 is the default."""
    dropout: Rate = None
    """Rate of dropout in training steps, in (0, 1), behind each hidden layer's activation; null: none."""


class Decoder(Strict):
    """Causal decoder layers on the tokens a ∘ b =, whose last position is read for the answer."""

    name: Literal["decoder"]
    """decoder: a causal transformer on the sequence a ∘ b =."""
    norm: Literal["post", "pre", "none"]
    """LayerNorm after each residual sum, before each block and before the head, or nowhere."""
    d_model: Annotated[int, Field(ge=1, le=4096)]
    """Width of the residual stream; a multiple of heads."""
    heads: Count
    """Number of attention heads."""
    ffn: Annotated[int, Field(ge=1, le=16384)]
    """Width of the feed-forward layers."""
    activation: Literal["relu", "gelu"]
    """Activation of the feed-forward layers."""
    layers: Annotated[int, Field(ge=1, le=8), Unit("layer")]
    """Decoder layers, 1 to 8."""
    biases: bool
    """Whether the linear maps have biases; LayerNorm keeps its own."""
    operator: bool
    """true: four tokens a ∘ b = (2201.02177); false: three tokens a b =."""
    positions: Literal["learned", "sinusoidal"]
    """Position embeddings: trained, or fixed sines and cosines of the position."""
    tied: bool
    """true: the logits are products with the token embeddings; false: a linear head of its own."""
    init_scale: Annotated[Positive, Role.FREE]
    """Factor on PyTorch's default initialisation (LayerNorm gains excepted); 1 is the default."""
    dropout: Rate = None
    """Rate of dropout in training steps, in (0, 1), of what each attention and each feed-forward block adds to the
    residual stream; null: none."""

    @model_validator(mode="after")
    def _consistent(self) -> "Decoder":
        if self.d_model % self.heads:
            raise ValueError(f"d_model = {self.d_model} is not a multiple of heads = {self.heads}")
        return self


class ByAutograd(Strict):
    """A network that is written in torch.nn alone; its gradients are autograd's, in float32 or float64."""

    def matrix_elements(self, tokens: int, classes: int) -> int:
        """Elements of its matrices for p tokens and C classes, for estimates of memory; 0 where nobody says."""
        return 0

    def multiply_adds(self, tokens: int, classes: int) -> int:
        """Multiply-adds of a forward pass of one example, for estimates of time."""
        return self.matrix_elements(tokens, classes)


class Quadratic(ByAutograd):
    """Two layers without biases on a pair's two one-hot vectors, squares between them: V (Wᵀx)²."""

    name: Literal["quadratic"]
    """quadratic: two layers with a quadratic activation and no biases (2603.01192, 2407.12332)."""
    width: Annotated[int, Field(ge=1, le=65536)]
    """Number of hidden neurons, K."""
    init_scale: Annotated[Positive, Role.FREE]
    """Factor on PyTorch's default initialisation (LayerNorm gains excepted); 1 is the default."""
    neuron_scale: Factor = None
    """Fixed factor on what each neuron gives to the outputs, such as 1/K; null: 1."""

    def matrix_elements(self, tokens: int, classes: int) -> int:
        return self.width * (2 * tokens + classes)

    def multiply_adds(self, tokens: int, classes: int) -> int:
        return self.width * (classes + 2)


class Encoder(ByAutograd):
    """Pre-norm encoder layers on the tokens (a, b), then LayerNorm and a linear head on the first one."""

    name: Literal["encoder"]
    """encoder: pre-norm encoder layers read at the first of two tokens (2602.16746)."""
    d_model: Annotated[int, Field(ge=1, le=4096)]
    """Width of the residual stream; a multiple of heads."""
    heads: Count
    """Number of attention heads."""
    ffn: Annotated[int, Field(ge=1, le=16384)]
    """Width of the feed-forward layers."""
    activation: Literal["relu", "gelu"]
    """Activation of the feed-forward layers."""
    layers: Annotated[int, Field(ge=1, le=8), Unit("layer")]
    """Encoder layers, 1 to 8."""
    init_scale: Annotated[Positive, Role.FREE]
    """Factor on PyTorch's default initialisation (LayerNorm gains excepted); 1 is the default."""
    layer_starts: Literal["alike"] | None = None
    """alike: layers start from the values of one, as torch.nn.TransformerEncoder has it; null: each from its own."""
    position_scale: Factor = None
    """Factor on the first values of the position embeddings, such as 1/√d_model; null: 1."""

    @model_validator(mode="after")
    def _consistent(self) -> "Encoder":
        if self.d_model % self.heads:
            raise ValueError(f"d_model = {self.d_model} is not a multiple of heads = {self.heads}")
        return self

    def matrix_elements(self, tokens: int, classes: int) -> int:
        d = self.d_model
        return self.layers * (4 * d * d + 2 * d * self.ffn) + d * (tokens + classes)

    def multiply_adds(self, tokens: int, classes: int) -> int:
        return 2 * self.matrix_elements(0, 0) + self.d_model * classes


Model = Annotated[Transformer | MLP | Decoder | Quadratic | Encoder, Field(discriminator="name")]
