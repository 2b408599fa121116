"""One-layer transformers on a pair of tokens (a, b).

`norm="post", readout="last"` is the model of arXiv 2603.13331: token and positional embedding, one
`nn.TransformerEncoderLayer` (post-norm), the last position, LayerNorm, linear head. `norm="pre",
readout="mean"` is that of arXiv 2603.25009 (pre-norm, mean of the positions), with the LayerNorm
between the mean and the head. With `embeddings="separate"` each operand has a table of its own: the
norms that 2603.13331's authors released for their multiplication runs are those of two tables.

Exact shortcuts. Whatever depends on one token alone (embedding plus position, the first LayerNorm
of a pre-norm layer, queries, keys, values) is computed on tables of p rows instead of B examples.
The softmax over two positions is a sigmoid. With the last position as read-out only that position
goes through the rest. With a pre-norm layer and a mean, the second linear map of the feed-forward
block is applied to the mean of the two positions' activations, half the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from regrok.models.layers import StackedModel, embedding, linear
from regrok.models.program import Program, Workspace


class Transformer(StackedModel):
    """Buffers below: T tables (2p rows, position 0 then 1), n rows a carried position."""

    def parameters(self) -> tuple[Mapping[str, Sequence[int]], Mapping[str, Sequence[str]]]:
        self.p = int(self.task.tokens)
        self.d, self.f = int(self.spec.d_model), int(self.spec.ffn)
        self.heads = int(self.spec.heads)
        self.pre = self.spec.norm == "pre"
        self.positions = (1,) if self.spec.readout == "last" else (0, 1)
        # Position -> the table that its token is looked up in.
        separate = self.spec.embeddings == "separate"
        self.tables = ("embedding_a", "embedding_b") if separate else ("embedding", "embedding")
        d, f = self.d, self.f
        shapes = {
            **{f"{table}.weight": (self.p, d) for table in self.tables},
            "position.weight": (2, d),
            "layer.self_attn.in_proj_weight": (3 * d, d),
            "layer.self_attn.in_proj_bias": (3 * d,),
            "layer.self_attn.out_proj.weight": (d, d),
            "layer.self_attn.out_proj.bias": (d,),
            "layer.linear1.weight": (f, d),
            "layer.linear1.bias": (f,),
            "layer.linear2.weight": (d, f),
            "layer.linear2.bias": (d,),
            "layer.norm1.weight": (d,),
            "layer.norm1.bias": (d,),
            "layer.norm2.weight": (d,),
            "layer.norm2.bias": (d,),
            "norm.weight": (d,),
            "norm.bias": (d,),
            "head.weight": (self.classes, d),
            "head.bias": (self.classes,),
        }
        groups = {
            "embedding": [n for n in shapes if n.startswith(("embedding", "position"))],
            "attention": [n for n in shapes if "self_attn" in n],
            "ffn": [n for n in shapes if "linear" in n],
            "norm": [n for n in shapes if "norm" in n],
            "head": [n for n in shapes if n.startswith("head")],
        }
        return shapes, groups

    def initialise(self, generator: torch.Generator) -> dict[str, Tensor]:
        d, f = self.d, self.f
        tokens = {name: embedding(self.p, d, generator) for name in dict.fromkeys(self.tables)}
        position = embedding(2, d, generator)
        # nn.MultiheadAttention makes its output projection, then draws the input projection, then
        # zeroes both biases; the discarded bias draw keeps the stream in step with it.
        out_proj, _ = linear(d, d, generator)
        in_proj = nn.init.xavier_uniform_(torch.empty(3 * d, d), generator=generator)
        weight1, bias1 = linear(f, d, generator)
        weight2, bias2 = linear(d, f, generator)
        head, head_bias = linear(self.classes, d, generator)
        return {
            **{f"{name}.weight": table for name, table in tokens.items()},
            "position.weight": position,
            "layer.self_attn.in_proj_weight": in_proj,
            "layer.self_attn.in_proj_bias": torch.zeros(3 * d),
            "layer.self_attn.out_proj.weight": out_proj,
            "layer.self_attn.out_proj.bias": torch.zeros(d),
            "layer.linear1.weight": weight1,
            "layer.linear1.bias": bias1,
            "layer.linear2.weight": weight2,
            "layer.linear2.bias": bias2,
            "layer.norm1.weight": torch.ones(d),
            "layer.norm1.bias": torch.zeros(d),
            "layer.norm2.weight": torch.ones(d),
            "layer.norm2.bias": torch.zeros(d),
            "norm.weight": torch.ones(d),
            "norm.bias": torch.zeros(d),
            "head.weight": head,
            "head.bias": head_bias,
        }

    # Forward.

    def record_shared(
        self, program: Program, θ: dict[str, Tensor], w: Workspace, *, train: bool = False
    ) -> None:
        """T = E + position, X = T or LayerNorm(T), and X's queries, keys and values."""
        p, d = self.p, self.d
        T = w.buffer("T", 2 * p, d)
        for c, table in enumerate(self.tables):
            rows = T[:, c * p : (c + 1) * p]
            program.add("add_row", θ[f"{table}.weight"], θ["position.weight"][:, c], rows)
        X = T
        if self.pre:
            X = w.buffer("X", 2 * p, d)
            self._norm(program, θ, w, "layer.norm1", T, X, train=train)
        qkv = w.buffer("qkv", 2 * p, 3 * d)
        W = θ["layer.self_attn.in_proj_weight"]
        if len(self.positions) == 2:
            program.mm(X, W.mT, qkv)
        else:  # position 0 is never queried
            program.mm(X[:, p:], W.mT, qkv[:, p:])
            program.mm(X[:, :p], W[:, d:].mT, qkv[:, :p, d:])
        program.add("add_bias", qkv, θ["layer.self_attn.in_proj_bias"])

    def record_logits(
        self, program: Program, θ: dict[str, Tensor], w: Workspace, *, train: bool
    ) -> Tensor:
        """Tables and tokens -> logits without the head's bias."""
        n, d, f, m = w.batch, self.d, self.f, len(self.positions)
        T = w.buffer("T", 2 * self.p, d)
        o, y = w.buffer("o", m * n, d), w.buffer("y", m * n, d)
        after_attention = "layer.norm2" if self.pre else "layer.norm1"
        total = w.buffer("z", m * n, d) if self.pre else None
        for j, c in enumerate(self.positions):
            rows = slice(j * n, (j + 1) * n)
            program.add(
                "attend", *self._attention(w, w.buffer("qkv", 2 * self.p, 3 * d), c), o[:, rows]
            )
        program.mm(o, θ["layer.self_attn.out_proj.weight"].mT, y)
        for j, c in enumerate(self.positions):
            rows = slice(j * n, (j + 1) * n)
            table = T[:, c * self.p : (c + 1) * self.p]
            self._norm(
                program, θ, w, after_attention, y, y, train=train, rows=rows, total=total,
                bias=θ["layer.self_attn.out_proj.bias"], residual=table, column=c,
            )  # fmt: skip
        h = w.buffer("h", m * n, f)
        a = w.buffer("a", m * n, f) if train else h
        program.mm(y, θ["layer.linear1.weight"].mT, h)
        pooled = self.pre and m == 2
        # A mean of two positions: the halves are in the activations and their derivatives.
        scale = 0.5 if pooled else 1.0
        derivative = h if train else None
        program.add("activate", self.activation, h, θ["layer.linear1.bias"], scale, a, derivative)
        if pooled:
            stream, z = w.buffer("z", m * n, d), w.buffer("z_mean", n, d)
            program.add("add", stream[:, :n], stream[:, n:], 0.5, z)
            program.add("add", a[:, :n], a[:, n:], 1.0, a[:, :n])
            a = a[:, :n]
        else:
            z = w.buffer("z", m * n, d) if self.pre else y
        ffn = w.buffer("ffn", a.shape[1], d)
        program.mm(a, θ["layer.linear2.weight"].mT, ffn)
        u = ffn[:, :n]  # the LayerNorms below work in place
        bias2 = θ["layer.linear2.bias"]
        if self.pre:
            self._norm(program, θ, w, "norm", u, u, train=train, bias=bias2, residual=z)
        else:
            self._norm(program, θ, w, "layer.norm2", ffn, ffn, train=train, bias=bias2, residual=z)
            if m == 2:
                program.add("add", ffn[:, :n], ffn[:, n:], 0.5, u)
            self._norm(program, θ, w, "norm", u, u, train=train)
        logits = w.buffer("logits", n, self.classes)
        program.mm(u, θ["head.weight"].mT, logits)
        return logits

    # Forward and backward.

    def record_step(
        self, program: Program, θ: dict[str, Tensor], g: dict[str, Tensor], w: Workspace
    ) -> None:
        # Shapes, each with the slots in front: p residues, n examples, m positions that are read (1 or 2), C classes.
        #   T       (2p, d)   embedding + position: the rows of a, then those of b
        #   X       (2p, d)   what attention reads: T, or LayerNorm(T) in a pre-norm layer
        #   qkv     (2p, 3d)  X's queries, keys and values; W (3d, d) makes them
        #   o       (mn, d)   attention's output, position by position
        #   y       (mn, d)   out_proj(o), then the LayerNorm after it in place; at last do
        #   z       (mn, d)   the residual stream after attention; post-norm: y itself
        #   h       (mn, f)   linear1(y); once activated, the activation's derivative; at last its gradient
        #   a       (mn, f)   activations; with a pre-norm mean, n rows of their mean; at last their gradient
        #   ffn     (mn, d)   linear2(a), then LayerNorms in place; pre-norm: (n, d)
        #   u       (n, d)    the first n rows of ffn, which the head reads
        #   logits  (n, C)    after record_loss their gradient
        # du, dffn, dz, do, dT, dX, dqkv, dW: gradients, of the shape of what they are the gradient of; db2, dbo (d).
        p, n, d, f, m = self.p, w.batch, self.d, self.f, len(self.positions)
        self.record_shared(program, θ, w, train=True)
        logits = self.record_logits(program, θ, w, train=True)
        self.record_loss(program, θ, g, w, logits)
        # Head and final LayerNorm.
        ffn_rows = n if self.pre else m * n
        u, du = w.buffer("ffn", ffn_rows, d)[:, :n], w.buffer("du", n, d)
        program.mm(logits.mT, u, g["head.weight"])
        program.mm(logits, θ["head.weight"], du)
        db2 = g["layer.linear2.bias"]
        if self.pre:
            self._norm_backward(program, θ, g, w, "norm", du, du, bias_grad=db2)
            dffn = du  # gradient of the feed-forward output, and of the residual stream
        else:
            self._norm_backward(program, θ, g, w, "norm", du, du)
            dffn = du
            if m == 2:  # the mean gives each position half of its gradient
                dffn = w.buffer("dffn", m * n, d)
                for j in (0, 1):
                    program.add("scaled", du, 0.5, dffn[:, j * n : (j + 1) * n])
            self._norm_backward(program, θ, g, w, "layer.norm2", dffn, dffn, bias_grad=db2)
        # Feed-forward block.
        rows = dffn.shape[1]
        a, h, y = w.buffer("a", m * n, f), w.buffer("h", m * n, f), w.buffer("y", m * n, d)
        program.mm(dffn.mT, a[:, :rows], g["layer.linear2.weight"])
        # The activations are no longer needed: their buffer takes their gradient.
        program.mm(dffn, θ["layer.linear2.weight"], a[:, :rows])
        program.add("activate_backward", a[:, :rows], h, g["layer.linear1.bias"])
        program.mm(h.mT, y, g["layer.linear1.weight"])
        dbo = g["layer.self_attn.out_proj.bias"]
        W1 = θ["layer.linear1.weight"]
        if self.pre:
            dz = w.buffer("dz", m * n, d)
            program.mm(h, W1, dz)
            self._norm_backward(
                program, θ, g, w, "layer.norm2", dz, dz, skip=dffn, skip_scale=1 / m, bias_grad=dbo
            )
        else:
            dz = dffn
            program.mm(h, W1, dz, accumulate=True)
            self._norm_backward(program, θ, g, w, "layer.norm1", dz, dz, bias_grad=dbo)
        # Attention.
        o, do = w.buffer("o", m * n, d), y  # y has served
        program.mm(dz.mT, o, g["layer.self_attn.out_proj.weight"])
        program.mm(dz, θ["layer.self_attn.out_proj.weight"], do)
        dT, dqkv = w.buffer("dT", 2 * p, d), w.buffer("dqkv", 2 * p, 3 * d)
        program.add("zero", dT)
        program.add("zero", dqkv)
        tokens = self.inputs(w)
        for j, c in enumerate(self.positions):
            rows_j = slice(j * n, (j + 1) * n)
            program.add("scatter_sum", dz[:, rows_j], tokens, c, dT[:, c * p : (c + 1) * p])
            forward = self._attention(w, w.buffer("qkv", 2 * p, 3 * d), c)
            program.add("attend_backward", do[:, rows_j], *forward, *self._tables(dqkv, c))
        # Tables.
        W, dW = θ["layer.self_attn.in_proj_weight"], g["layer.self_attn.in_proj_weight"]
        program.add("column_sum", dqkv, g["layer.self_attn.in_proj_bias"])
        X = w.buffer("X", 2 * p, d) if self.pre else w.buffer("T", 2 * p, d)
        dX = w.buffer("dX", 2 * p, d) if self.pre else dT
        if m == 2:
            program.mm(dqkv.mT, X, dW)
            program.mm(dqkv, W, dX, accumulate=not self.pre)
        else:
            program.mm(dqkv[:, p:, :d].mT, X[:, p:], dW[:, :d])
            program.mm(dqkv[:, :, d:].mT, X, dW[:, d:])
            program.mm(dqkv[:, p:], W, dX[:, p:], accumulate=not self.pre)
            program.mm(dqkv[:, :p, d:], W[:, d:], dX[:, :p], accumulate=not self.pre)
        if self.pre:
            self._norm_backward(program, θ, g, w, "layer.norm1", dX, dT, skip=dT)
        first, second = (g[f"{table}.weight"] for table in self.tables)
        if self.tables[0] == self.tables[1]:
            program.add("add", dT[:, :p], dT[:, p:], 1.0, first)
        else:
            for c, gradient in enumerate((first, second)):
                program.add("scaled", dT[:, c * p : (c + 1) * p], 1.0, gradient)
        for c in (0, 1):
            rows_c = slice(c * p, (c + 1) * p)
            program.add("column_sum", dT[:, rows_c], g["position.weight"][:, c])

    def _tables(self, qkv: Tensor, position: int) -> tuple[Tensor, ...]:
        """Query table of a position, then key and value tables of both."""
        p, d = self.p, self.d
        first, second = qkv[:, :p], qkv[:, p:]
        query = (first, second)[position][..., :d]
        return (
            query,
            first[..., d : 2 * d],
            first[..., 2 * d :],
            second[..., d : 2 * d],
            second[..., 2 * d :],
        )

    def _attention(self, w: Workspace, qkv: Tensor, position: int) -> tuple[object, ...]:
        """Arguments of `attend` up to its output; `attend_backward` takes the same."""
        weight = w.buffer(f"weight{position}", w.batch, self.heads)
        return *self._tables(qkv, position), self.inputs(w), position, self.heads, weight

    def _norm(
        self,
        program: Program,
        θ: dict[str, Tensor],
        w: Workspace,
        name: str,
        x: Tensor,
        out: Tensor,
        *,
        train: bool,
        rows: slice = slice(None),
        bias: Tensor | None = None,
        residual: Tensor | None = None,
        column: int | None = None,
        total: Tensor | None = None,
    ) -> None:
        hat, rstd = self._saved(w, name, x.shape[1]) if train else (None, None)
        gather = column is not None
        program.add(
            "norm",
            x[:, rows],
            bias,
            1.0,
            residual,
            self.inputs(w) if gather else None,
            column or 0,
            None if total is None else total[:, rows],
            θ[f"{name}.weight"],
            θ[f"{name}.bias"],
            None if hat is None else hat[:, rows],
            None if rstd is None else rstd[:, rows],
            out[:, rows],
        )

    def _norm_backward(
        self,
        program: Program,
        θ: dict[str, Tensor],
        g: dict[str, Tensor],
        w: Workspace,
        name: str,
        grad: Tensor,
        out: Tensor,
        *,
        skip: Tensor | None = None,
        skip_scale: float = 1.0,
        bias_grad: Tensor | None = None,
    ) -> None:
        program.add(
            "norm_backward",
            grad,
            *self._saved(w, name, grad.shape[1]),
            θ[f"{name}.weight"],
            skip,
            skip_scale,
            g[f"{name}.weight"],
            g[f"{name}.bias"],
            out,
            1.0,
            bias_grad,
        )

    def _saved(self, w: Workspace, name: str, rows: int) -> tuple[Tensor, Tensor]:
        """Normalised rows and 1/σ that the backward pass of a LayerNorm needs."""
        return w.buffer(f"{name}.hat", rows, self.d), w.buffer(f"{name}.rstd", rows)
