"""Causal decoders on the sequence a ∘ b =, read at its last token.

Two layers of width 128 with 4 heads are the network of arXiv 2201.02177 (its released code has LayerNorm after each
residual sum, no biases in linear maps, fixed sinusoidal positions and a head of its own: `norm="post", biases=False,
positions="sinusoidal", tied=False`). One layer without LayerNorm and biases on a b = has the 221,952 parameters at
p = 97 of arXiv 2605.18845, and is the transformer of arXiv 2606.13753; one layer with learned positions and a head of
its own is that of arXiv 2309.02390. As in the field, a pre-norm decoder has one LayerNorm more before the head and a
post-norm decoder has none. The loss is that of the answer alone, over its C classes: the head has no rows for ∘ and =.

Exact shortcuts. A row of the residual stream is computed once for all examples that share it:
- before the first layer it depends on token and position alone: p rows for a and for b, one row for ∘ and for =, and
  with them LayerNorm, queries, keys and values;
- behind the causal mask a and ∘ see no b: p rows for either, in every layer;
- b and = see the whole pair: a row an example;
- with dropout every example has a row of its own at each position behind the first layer, dropped apart from others';
- the last layer carries on with the last position alone, and then needs no keys and values of the other rows: see
  `regrok.models.decoder_attention`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from regrok.errors import RegrokError
from regrok.models import decoder_parameters
from regrok.models.decoder_attention import DecoderAttention, Named
from regrok.models.program import Program, Workspace
from regrok.models.sequence import Symbols


class Decoder(DecoderAttention):
    """Buffers end in their layer or their stage s: 0 before the first layer, L behind the last."""

    def parameters(self) -> tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[str]]]:
        spec = self.spec
        self.depth, self.d, self.f = int(spec.layers), int(spec.d_model), int(spec.ffn)
        self.heads = int(spec.heads)
        self.pre, self.normed = spec.norm == "pre", spec.norm != "none"
        symbols = "a∘b=" if spec.operator else "ab="
        apart = self.spec.dropout is not None
        self.sequence = Symbols(symbols, int(self.task.tokens), self.depth, apart)
        if spec.tied and self.classes > self.sequence.tokens:
            raise RegrokError(
                f"model.tied = true: {self.classes} classes have no embeddings among {self.sequence.tokens} tokens; "
                "set it to false"
            )
        shapes = decoder_parameters.shapes(spec, self.sequence, self.classes)
        return shapes, decoder_parameters.groups(shapes)

    def initialise(self, generator: torch.Generator) -> Named:
        return decoder_parameters.draw(self.layout.shapes, generator)

    def position(self, θ: Named, j: int) -> Tensor:
        """(R, d) embedding of a position."""
        if "position.weight" in θ:
            return θ["position.weight"][:, j]
        i = torch.arange(self.d, dtype=torch.float64)
        angle = j / 10000 ** ((i - i % 2) / self.d)
        row = torch.where(i % 2 == 0, angle.sin(), angle.cos())
        runs = θ["embedding.weight"].shape[0]
        return row.to(self.dtype).to(self.device).expand(runs, -1).contiguous()

    # Forward.

    def record_shared(
        self, program: Program, θ: Named, w: Workspace, *, train: bool = False
    ) -> None:
        """Stage 0: embeddings of token and position, and the first layer's queries, keys and values of them."""
        x = self.rows(w, "x", 0, self.d)
        for j, (part, vocabulary) in enumerate(self.sequence.embedded()):
            tokens = θ["embedding.weight"][:, vocabulary]
            program.add("add_row", tokens, self.position(θ, j), x[:, part])
        if self.pre:
            read = self.rows(w, "read", 0, self.d)
            alone = (None, None, None)  # neither bias nor residual, and no sum to keep
            self._join(program, θ, w, "layers.0.norm1", 0, x, *alone, train=train, out=read)
        self.record_queries(program, θ, w, 0)

    def record_logits(self, program: Program, θ: Named, w: Workspace, *, train: bool) -> Tensor:
        """Tables and tokens -> logits without the head's bias."""
        for layer in range(self.depth):
            if layer:
                self.record_queries(program, θ, w, layer)
            self._record_layer(program, θ, w, layer, train=train)
        logits = w.buffer("logits", w.batch, self.classes)
        program.mm(self._read(w, self.depth), self._head(θ).mT, logits)
        return logits

    def _head(self, θ: Named) -> Tensor:
        return θ["embedding.weight"][:, : self.classes] if self.spec.tied else θ["head.weight"]

    def _record_layer(
        self, program: Program, θ: Named, w: Workspace, layer: int, *, train: bool
    ) -> None:
        d, f, s, name = self.d, self.f, layer + 1, f"layers.{layer}"
        o, y, u = (self.rows(w, letter, s, d) for letter in "oyu")
        self.record_attention(program, θ, w, layer, o)
        program.mm(o, θ[f"{name}.self_attn.out_proj.weight"].mT, y)
        residual = self._stream(w, layer)
        if layer == 0:
            residual = self.rows(w, "spread", s, d)
            x, places = self._stream(w, 0), self.sequence.places(0, w.batch)
            for j, part, tokens in self.queried(0, w):
                program.add("gather_rows", x, tokens, places, j, residual[:, part])
        elif s == self.depth:
            residual = residual[:, self.sequence.stage(layer, w.batch).slices[-1]]
        bias = θ.get(f"{name}.self_attn.out_proj.bias")
        bias = self._drop(program, w, 2 * layer, y, bias, train=train)
        between = f"{name}.norm2" if self.pre else f"{name}.norm1"
        z = self.rows(w, "z", s, d) if self.pre else y
        self._join(program, θ, w, between, s, y, bias, residual, z, train=train)
        h = self.rows(w, "h", s, f)
        a = self.rows(w, "act", s, f) if train else h
        program.mm(y, θ[f"{name}.linear1.weight"].mT, h)
        inner = θ.get(f"{name}.linear1.bias")
        kind = self.activation
        program.add("activate", kind, h, inner, 1.0, a, h if train else None)
        program.mm(a, θ[f"{name}.linear2.weight"].mT, u)
        last = s == self.depth
        total = None if last or not self.pre else self.rows(w, "x", s, d)
        bias = θ.get(f"{name}.linear2.bias")
        bias = self._drop(program, w, 2 * layer + 1, u, bias, train=train)
        self._join(program, θ, w, self._after(layer), s, u, bias, z, total, train=train)

    def _drop(
        self,
        program: Program,
        w: Workspace,
        site: int,
        branch: Tensor,
        bias: Tensor | None,
        *,
        train: bool,
    ) -> Tensor | None:
        """Dropout of branch + bias, in place, before it joins the stream; the bias that is still to be added."""
        if not train or self.dropout is None:
            return bias
        if bias is not None:
            program.add("add_bias", branch, bias)
        self.record_dropout(program, w, site, branch, branch)
        return None

    def _after(self, layer: int) -> str:
        """The LayerNorm that follows the sum behind a layer."""
        if not self.pre:
            return f"layers.{layer}.norm2"
        return f"layers.{layer + 1}.norm1" if layer + 1 < self.depth else "norm"

    def _join(
        self,
        program: Program,
        θ: Named,
        w: Workspace,
        name: str,
        s: int,
        branch: Tensor,
        bias: Tensor | None,
        residual: Tensor | None,
        total: Tensor | None,
        *,
        train: bool,
        out: Tensor | None = None,
    ) -> None:
        """out (branch itself if None) = LayerNorm(branch + bias + residual), or the sum; total: the sum before it."""
        out = branch if out is None else out
        if self.normed:
            saved = self._saved(w, name, s) if train else (None, None)
            gain, shift = θ[f"{name}.weight"], θ[f"{name}.bias"]
            total = total if self.pre else None
            program.add(
                "norm", branch, bias, 1.0, residual, None, 0, total, gain, shift, *saved, out
            )
            return
        if bias is not None:
            program.add("add_bias", branch, bias)
        program.add("add", branch, residual, 1.0, out)

    def _saved(self, w: Workspace, name: str, s: int) -> tuple[Tensor, Tensor]:
        """Normalised rows and 1/σ that the backward pass of a LayerNorm needs."""
        found = self.sequence.stage(s, w.batch)
        rstd = w.buffer(f"{name}.rstd", found.rows, fixed=found.fixed)
        return w.buffer(f"{name}.hat", found.rows, self.d, fixed=found.fixed), rstd

    # Forward and backward.

    def record_step(self, program: Program, θ: Named, g: Named, w: Workspace) -> None:
        # Shapes, each with the slots in front. N rows of a stage s: 2p + 2 (0), 2p + 2n (between layers), n (L).
        #   x       (N, d)   the residual stream; post-norm and without: stage 0 alone, then it is what is read
        #   read, u (N, d)   what the next layer or the head reads (stage 0, later stages)
        #   qkv     (N, 3d)  queries, keys and values of a stage
        #   o       (N, d)   attention's output; y: out_proj(o), then LayerNorm or sum in place; at last do
        #   z       (N, d)   the stream between attention and feed-forward; y itself but in pre-norm
        #   h       (N, f)   linear1(y); once activated, the derivative, at last its gradient
        #   act     (N, f)   activations, at last their gradient
        # du, dz, dx, dread, dqkv: gradients of u's sum, z's sum, x, read (pre-norm) and qkv.
        d = self.d
        self.record_shared(program, θ, w, train=True)
        logits = self.record_logits(program, θ, w, train=True)
        self.record_loss(program, θ, g, w, logits)
        head = w.buffer("dhead", self.classes, d) if self.spec.tied else g["head.weight"]
        program.mm(logits.mT, self._read(w, self.depth), head)
        du = self.rows(w, "du", self.depth, d)
        program.mm(logits, self._head(θ), du)
        bias = self._joined(g, f"layers.{self.depth - 1}.linear2.bias")
        self._join_backward(program, θ, g, w, self._after(self.depth - 1), self.depth, du, bias)
        for layer in reversed(range(self.depth)):
            du = self._record_layer_backward(program, θ, g, w, layer, du)
        for j, (part, vocabulary) in enumerate(self.sequence.embedded()):
            to = g["embedding.weight"][:, vocabulary]
            if self.sequence.symbols[j] == "b":
                program.add("add", to, du[:, part], 1.0, to)
            else:
                program.add("scaled", du[:, part], 1.0, to)
            if "position.weight" in g:
                program.add("column_sum", du[:, part], g["position.weight"][:, j])
        if self.spec.tied:
            to = g["embedding.weight"][:, : self.classes]
            program.add("add", to, head, 1.0, to)

    def _join_backward(
        self,
        program: Program,
        θ: Named,
        g: Named,
        w: Workspace,
        name: str,
        s: int,
        grad: Tensor,
        bias: Tensor | None,
        skip: Tensor | None = None,
        out: Tensor | None = None,
    ) -> None:
        """Gradient of the sum in `_join`, in `out` or in place, and of its bias; skip: what passes LayerNorm by."""
        out = grad if out is None else out
        if self.normed:
            gain, gains = θ[f"{name}.weight"], (g[f"{name}.weight"], g[f"{name}.bias"])
            saved = self._saved(w, name, s)
            program.add("norm_backward", grad, *saved, gain, skip, 1.0, *gains, out, 1.0, bias)
        elif bias is not None:
            program.add("column_sum", grad, bias)

    def _record_layer_backward(
        self, program: Program, θ: Named, g: Named, w: Workspace, layer: int, du: Tensor
    ) -> Tensor:
        """du, the gradient of the sum behind this layer -> that of the sum behind the one before it, or of stage 0."""
        d, f, s, name = self.d, self.f, layer + 1, f"layers.{layer}"
        # Feed-forward block.
        a, h = self.rows(w, "act", s, f), self.rows(w, "h", s, f)
        o, y = self.rows(w, "o", s, d), self.rows(w, "y", s, d)
        branch = self._branch(program, g, w, 2 * layer + 1, s, du, f"{name}.linear2.bias")
        program.mm(branch.mT, a, g[f"{name}.linear2.weight"])
        program.mm(branch, θ[f"{name}.linear2.weight"], a)
        program.add("activate_backward", a, h, g.get(f"{name}.linear1.bias"))
        program.mm(h.mT, y, g[f"{name}.linear1.weight"])
        outer = f"{name}.self_attn.out_proj"
        W1, bias = θ[f"{name}.linear1.weight"], self._joined(g, f"{outer}.bias")
        if self.pre:
            dz = self.rows(w, "dz", s, d)
            program.mm(h, W1, dz)
            self._join_backward(program, θ, g, w, f"{name}.norm2", s, dz, bias, skip=du)
        else:
            dz = du
            program.mm(h, W1, dz, accumulate=True)
            self._join_backward(program, θ, g, w, f"{name}.norm1", s, dz, bias)
        # Attention.
        branch = self._branch(program, g, w, 2 * layer, s, dz, f"{outer}.bias")
        program.mm(branch.mT, o, g[f"{outer}.weight"])
        program.mm(branch, θ[f"{outer}.weight"], y)  # y has served
        dx = self._residual_backward(program, w, layer, dz)
        dread = self.rows(w, "dread", layer, d) if self.pre else dx
        self.record_attention_backward(program, θ, g, w, layer, y, dread, accumulate=not self.pre)
        before = self._after(layer - 1) if layer else "layers.0.norm1"
        bias = self._joined(g, f"layers.{layer - 1}.linear2.bias")
        if self.pre:
            self._join_backward(program, θ, g, w, before, layer, dread, bias, skip=dx, out=dx)
        elif layer:
            self._join_backward(program, θ, g, w, before, layer, dx, bias)
        return dx

    def _joined(self, g: Named, name: str) -> Tensor | None:
        """The gradient of a bias that is that of the sum which it joins; with dropout `_branch` makes it."""
        return g.get(name) if self.dropout is None else None

    def _branch(
        self, program: Program, g: Named, w: Workspace, site: int, s: int, grad: Tensor, bias: str
    ) -> Tensor:
        """Gradient of a sum -> that of the branch that joined it, and with dropout of its bias."""
        if self.dropout is None:
            return grad
        branch = self.rows(w, "branch", s, self.d)
        self.record_dropout(program, w, site, grad, branch)
        if bias in g:
            program.add("column_sum", branch, g[bias])
        return branch

    def _residual_backward(self, program: Program, w: Workspace, layer: int, dz: Tensor) -> Tensor:
        """Gradient that reaches the stream before a layer past its attention."""
        if 0 < layer < self.depth - 1:
            return dz  # the same rows
        dx, places = self.rows(w, "dx", layer, self.d), self.sequence.places(layer, w.batch)
        program.add("zero", dx)
        for j, part, tokens in self.queried(layer, w):
            program.add("scatter_rows", dz[:, part], tokens, places, j, dx)
        return dx
