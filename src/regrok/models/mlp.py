"""Multilayer perceptrons on a pair of tokens or on a vector.

`input="sum"` is the MLP of arXiv 2603.25009: h₀ = E[a] + E[b], `depth`
hidden layers of `width` units, a linear output. With `residual=True` the hidden layers are that
paper's blocks h + ½·FC2(act(FC1(LN(h)))), and `depth` counts blocks; FC1 and FC2 keep the width.
`input="concat"` feeds the first hidden layer the two embeddings side by side; `input="vector"`
reads real vectors. Depth 2, width 128 and ReLU on a vector is our reading of the parity network of
2603.13331 (S10: "d_model 128, 2 layers"; its script is not released): n → 128 → 128 → 2. With ReLU
it passes both thresholds within 200 steps at n = 20, 30 and 40, as in the released runs; with GELU
it needs 300 to 400 at n = 30 and 40 (one seed, η = 1e-3, λ = 1).

Residual blocks need an input of their width, so a concatenated pair or a vector first goes through
a linear map `project`.

Exact shortcut: a linear map of E[a] + E[b], or of [E[a], E[b]], is a sum of one row per token of a
product with the embedding, so the first product has p rows instead of B, and so has its gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from regrok.models.layers import StackedModel, embedding, linear
from regrok.models.program import Program, Workspace

BLOCK_SCALE = 0.5  # 2603.25009: each residual block adds half of its output


class MLP(StackedModel):
    """Buffers of layer i: ai, its activation; zi, its pre-activation, then act', then gradient."""

    def parameters(self) -> tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[str]]]:
        self.width, self.depth = int(self.spec.width), int(self.spec.depth)
        self.pairs = self.task.kind == "pairs"
        self.concat = self.spec.input == "concat"
        self.residual = bool(self.spec.residual)
        width = self.width
        if self.pairs:
            self.p = int(self.task.tokens)
            self.inputs_width = 2 * width if self.concat else width
        else:
            self.inputs_width = int(self.task.width)
        # The linear map that reads the input; None where residual blocks take h₀ itself.
        self.first: str | None = "project" if self.residual else "hidden.0"
        if self.residual and self.pairs and not self.concat:
            self.first = None
        shapes: dict[str, tuple[int, ...]] = {}
        if self.pairs:
            shapes["embedding.weight"] = (self.p, width)
        if self.first:
            shapes |= _linear_shapes(self.first, width, self.inputs_width)
        if self.residual:
            for i in range(self.depth):
                shapes[f"blocks.{i}.norm.weight"] = (width,)
                shapes[f"blocks.{i}.norm.bias"] = (width,)
                shapes |= _linear_shapes(f"blocks.{i}.fc1", width, width)
                shapes |= _linear_shapes(f"blocks.{i}.fc2", width, width)
        else:
            for i in range(1, self.depth):
                shapes |= _linear_shapes(f"hidden.{i}", width, width)
        shapes |= _linear_shapes("head", self.classes, width)
        groups = {
            "embedding": [n for n in shapes if n.startswith("embedding")],
            "hidden": [n for n in shapes if n.startswith(("hidden", "project")) or "fc" in n],
            "norm": [n for n in shapes if "norm" in n],
            "head": [n for n in shapes if n.startswith("head")],
        }
        return shapes, {group: names for group, names in groups.items() if names}

    def initialise(self, generator: torch.Generator) -> dict[str, Tensor]:
        width = self.width
        drawn: dict[str, Tensor] = {}

        def add_linear(name: str, rows: int, columns: int) -> None:
            drawn[f"{name}.weight"], drawn[f"{name}.bias"] = linear(rows, columns, generator)

        if self.pairs:
            drawn["embedding.weight"] = embedding(self.p, width, generator)
        if self.first:
            add_linear(self.first, width, self.inputs_width)
        for i in range(self.depth):
            if self.residual:
                drawn[f"blocks.{i}.norm.weight"] = torch.ones(width)
                drawn[f"blocks.{i}.norm.bias"] = torch.zeros(width)
                add_linear(f"blocks.{i}.fc1", width, width)
                add_linear(f"blocks.{i}.fc2", width, width)
            elif i:
                add_linear(f"hidden.{i}", width, width)
        add_linear("head", self.classes, width)
        return drawn

    # Forward.

    def record_shared(self, program: Program, θ: dict[str, Tensor], w: Workspace) -> None:
        """The first linear map's product with the embedding: a table for a, and one for b."""
        if self.pairs and self.first:
            W, E = θ[f"{self.first}.weight"], θ["embedding.weight"]
            for c, table in enumerate(self._tables(w)[: 2 if self.concat else 1]):
                program.mm(E, self._half(W, c).mT, table)

    def record_logits(
        self, program: Program, θ: dict[str, Tensor], w: Workspace, *, train: bool
    ) -> Tensor:
        """Tables and inputs -> logits without the head's bias."""
        layers = self._record_blocks if self.residual else self._record_hidden
        last = layers(program, θ, w, train=train)
        logits = w.buffer("logits", w.batch, self.classes)
        program.mm(last, θ["head.weight"].mT, logits)
        return logits

    def _record_hidden(
        self, program: Program, θ: dict[str, Tensor], w: Workspace, *, train: bool
    ) -> Tensor:
        for i in range(self.depth):
            z, a = self._buffers(w, i)
            bias = θ[f"hidden.{i}.bias"]
            to = (bias, 1.0, a, z if train else None)
            if i == 0 and self.pairs:
                tables = self._tables(w)
                program.add("gather_activate", self.activation, *tables, self.inputs(w), *to)
            else:
                before = self._buffers(w, i - 1)[1] if i else self.inputs(w)
                program.mm(before, θ[f"hidden.{i}.weight"].mT, z)
                program.add("activate", self.activation, z, *to)
            self._drop(program, w, i, train=train)
        return a

    def _drop(self, program: Program, w: Workspace, layer: int, *, train: bool) -> None:
        """Dropout behind a layer's activation, and of its derivative: so the backward pass is that without dropout."""
        if train and self.dropout is not None:
            z, a = self._buffers(w, layer)
            self.record_dropout(program, w, layer, a, a, also=z)

    def _record_blocks(
        self, program: Program, θ: dict[str, Tensor], w: Workspace, *, train: bool
    ) -> Tensor:
        stream = self._record_stream(program, θ, w)
        r = w.buffer("r", w.batch, self.width)
        for i in range(self.depth):
            name = f"blocks.{i}"
            z, a = self._buffers(w, i)
            y = w.buffer(f"y{i}", w.batch, self.width)
            hat, rstd = self._saved(w, i) if train else (None, None)
            x, bias, residual, total = stream, None, None, None
            if i:  # the stream takes up the block before while it is normalised
                x, bias, residual = r, θ[f"blocks.{i - 1}.fc2.bias"], stream
                total = stream = w.buffer(f"h{i % 2}", w.batch, self.width)
            program.add(
                "norm", x, bias, BLOCK_SCALE, residual, None, 0, total,
                θ[f"{name}.norm.weight"], θ[f"{name}.norm.bias"], hat, rstd, y,
            )  # fmt: skip
            program.mm(y, θ[f"{name}.fc1.weight"].mT, z)
            derivative = z if train else None
            bias1 = θ[f"{name}.fc1.bias"]
            program.add("activate", self.activation, z, bias1, BLOCK_SCALE, a, derivative)
            self._drop(program, w, i, train=train)
            if i < self.depth - 1:
                program.mm(a, θ[f"{name}.fc2.weight"].mT, r)
        program.mm(a, θ[f"{name}.fc2.weight"].mT, stream, accumulate=True)
        half = w.buffer("half", 1, self.width)
        program.add("scaled", θ[f"{name}.fc2.bias"].unsqueeze(1), BLOCK_SCALE, half)
        program.add("add_bias", stream, half.squeeze(1))
        return stream

    def _record_stream(self, program: Program, θ: dict[str, Tensor], w: Workspace) -> Tensor:
        """h₀, the residual stream before the first block."""
        stream = w.buffer("h0", w.batch, self.width)
        if not self.pairs:
            program.mm(self.inputs(w), θ["project.weight"].mT, stream)
        else:
            tables = self._tables(w) if self.first else (θ["embedding.weight"],) * 2
            program.add("gather_sum", *tables, self.inputs(w), stream)
        if self.first:
            program.add("add_bias", stream, θ["project.bias"])
        return stream

    # Forward and backward.

    def record_step(
        self, program: Program, θ: dict[str, Tensor], g: dict[str, Tensor], w: Workspace
    ) -> None:
        # Shapes, each with the slots in front: p residues, n examples, C classes, width of a layer.
        #   table0, table1  (p, width)  what a and what b give to the first linear map; one where they add
        #   z_i     (n, width)  before layer i's activation; then the activation's derivative; at last the gradient
        #   a_i     (n, width)  after it; at last its gradient
        #   y_i     (n, width)  residual: LayerNorm of the stream before block i; hat_i, rstd_i (n): kept for backward
        #   h0, h1  (n, width)  residual: the stream, in turns; r (n, width): fc2(a) of the block before
        #   logits  (n, C)      after record_loss their gradient
        # dh, dtable0, dtable1, dE, dW: gradients, of the shape of what they are the gradient of.
        self.record_shared(program, θ, w)
        logits = self.record_logits(program, θ, w, train=True)
        self.record_loss(program, θ, g, w, logits)
        if self.residual:
            grad = self._record_blocks_backward(program, θ, g, w, logits)
        else:
            grad = self._record_hidden_backward(program, θ, g, w, logits)
        self._record_first_backward(program, θ, g, w, grad)

    def _record_hidden_backward(
        self,
        program: Program,
        θ: dict[str, Tensor],
        g: dict[str, Tensor],
        w: Workspace,
        logits: Tensor,
    ) -> Tensor:
        """Gradient of the logits -> gradient of the first layer's pre-activation."""
        above, name = logits, "head"
        for i in reversed(range(self.depth)):
            z, a = self._buffers(w, i)
            program.mm(above.mT, a, g[f"{name}.weight"])
            # The activation is no longer needed: its buffer takes its gradient.
            program.mm(above, θ[f"{name}.weight"], a)
            program.add("activate_backward", a, z, g[f"hidden.{i}.bias"])
            above, name = z, f"hidden.{i}"
        return above

    def _record_blocks_backward(
        self,
        program: Program,
        θ: dict[str, Tensor],
        g: dict[str, Tensor],
        w: Workspace,
        logits: Tensor,
    ) -> Tensor:
        """Gradient of the logits -> gradient of h₀."""
        stream = w.buffer(f"h{(self.depth - 1) % 2}", w.batch, self.width)
        dh = w.buffer("dh", w.batch, self.width)
        program.mm(logits.mT, stream, g["head.weight"])
        program.mm(logits, θ["head.weight"], dh)
        last = g[f"blocks.{self.depth - 1}.fc2.bias"]
        program.add("column_sum", dh, last)
        program.add("scaled", last.unsqueeze(1), BLOCK_SCALE, last.unsqueeze(1))
        for i in reversed(range(self.depth)):
            name = f"blocks.{i}"
            z, a = self._buffers(w, i)
            y = w.buffer(f"y{i}", w.batch, self.width)
            program.mm(dh.mT, a, g[f"{name}.fc2.weight"])
            program.mm(dh, θ[f"{name}.fc2.weight"], a)
            program.add("activate_backward", a, z, g[f"{name}.fc1.bias"])
            program.mm(z.mT, y, g[f"{name}.fc1.weight"])
            program.mm(z, θ[f"{name}.fc1.weight"], y)
            # The gradient of the stream is that of the bias which was added to it last.
            scale, bias = 1.0, g["project.bias"] if self.first else None
            if i:
                scale, bias = BLOCK_SCALE, g[f"blocks.{i - 1}.fc2.bias"]
            program.add(
                "norm_backward", y, *self._saved(w, i), θ[f"{name}.norm.weight"], dh, 1.0,
                g[f"{name}.norm.weight"], g[f"{name}.norm.bias"], dh, scale, bias,
            )  # fmt: skip
        return dh

    def _record_first_backward(
        self,
        program: Program,
        θ: dict[str, Tensor],
        g: dict[str, Tensor],
        w: Workspace,
        grad: Tensor,
    ) -> None:
        """Gradient of the first map's result (or of h₀) -> of its weight and the embedding."""
        tokens = self.inputs(w)
        if not self.pairs:
            program.mm(grad.mT, tokens, g[f"{self.first}.weight"])
            return
        dE = g["embedding.weight"]
        if self.first:
            tables = [w.buffer(f"dtable{c}", self.p, self.width) for c in (0, 1)]
        else:
            tables = [dE, dE]
        if not self.concat:
            tables[1] = tables[0]
        for table in tables[: 2 if self.concat else 1]:
            program.add("zero", table)
        for c, table in enumerate(tables):
            program.add("scatter_sum", grad, tokens, c, table)
        if self.first:
            W, dW = θ[f"{self.first}.weight"], g[f"{self.first}.weight"]
            for c, table in enumerate(tables[: 2 if self.concat else 1]):
                program.mm(table.mT, θ["embedding.weight"], self._half(dW, c))
                program.mm(table, self._half(W, c), dE, accumulate=c > 0)

    # Buffers.

    def _buffers(self, w: Workspace, layer: int) -> tuple[Tensor, Tensor]:
        shape = w.batch, self.width
        return w.buffer(f"z{layer}", *shape), w.buffer(f"a{layer}", *shape)

    def _saved(self, w: Workspace, block: int) -> tuple[Tensor, Tensor]:
        """Normalised rows and 1/σ that the backward pass of a block's LayerNorm needs."""
        return w.buffer(f"hat{block}", w.batch, self.width), w.buffer(f"rstd{block}", w.batch)

    def _tables(self, w: Workspace) -> tuple[Tensor, Tensor]:
        """What a and b contribute to the first linear map; one table for both where they add."""
        first = w.buffer("table0", self.p, self.width)
        return first, w.buffer("table1", self.p, self.width) if self.concat else first

    def _half(self, W: Tensor, column: int) -> Tensor:
        """The columns of the first weight that token `column` meets."""
        return W[..., column * self.width : (column + 1) * self.width] if self.concat else W


def _linear_shapes(name: str, rows: int, columns: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (rows, columns), f"{name}.bias": (rows,)}
