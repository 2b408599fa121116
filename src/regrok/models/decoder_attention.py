"""A decoder's attention: over queries, keys and values of rows that examples share, or over the rows themselves.

In the last layer one position is queried, so there are fewer queries than rows. A score q · (W x) is (W'q) · x, and a
mixture of values W x is W of the mixture of x: per head, keys and values of all rows become one product each with the
n queries and the n mixtures. The keys' bias adds the same to all scores of a query, which softmax does not see: its
gradient is 0. Where the last layer is the first, its rows are tables, and keys and values of them cost less.
"""

from __future__ import annotations

from torch import Tensor

from regrok.models.layers import StackedModel
from regrok.models.program import Program, Workspace
from regrok.models.sequence import Symbols

Named = dict[str, Tensor]


class DecoderAttention(StackedModel):
    """Buffers end in their layer or their stage s: 0 before the first layer, L behind the last."""

    sequence: Symbols
    depth: int
    d: int
    heads: int
    pre: bool

    def queried(self, layer: int, w: Workspace) -> list[tuple[int, slice, Tensor | None]]:
        """Positions that a layer carries on with: number, rows behind it, tokens (None where a is the row's number)."""
        after, last = self.sequence.stage(layer + 1, w.batch), self.sequence.length - 1
        numbers = range(last + 1) if layer + 1 < self.depth else (last,)
        return [
            (j, part, None if kind == "first" else self.inputs(w))
            for j, part, kind in zip(numbers, after.slices, after.kinds, strict=True)
        ]

    def rows(self, w: Workspace, name: str, s: int, columns: int) -> Tensor:
        """The buffer `name` of a stage."""
        found = self.sequence.stage(s, w.batch)
        return w.buffer(f"{name}{s}", found.rows, columns, fixed=found.fixed)

    def _read(self, w: Workspace, s: int) -> Tensor:
        """What layer s, or the head, reads of the stream."""
        if s == 0:
            return self.rows(w, "read" if self.pre else "x", 0, self.d)
        return self.rows(w, "u", s, self.d)

    def _stream(self, w: Workspace, s: int) -> Tensor:
        """The residual stream before layer s."""
        return self.rows(w, "x", s, self.d) if self.pre or s == 0 else self._read(w, s)

    def _absorbed(self, layer: int) -> bool:
        """Whether the layer attends over the rows themselves."""
        return 0 < layer == self.depth - 1

    # Keys and values of every row.

    def record_queries(self, program: Program, θ: Named, w: Workspace, layer: int) -> None:
        """Queries, keys and values of a layer; in the last layer queries of the last position alone."""
        if self._absorbed(layer):
            self._record_absorbed(program, θ, w)
            return
        d, X = self.d, self._read(w, layer)
        qkv = self.rows(w, "qkv", layer, 3 * d)
        W = θ[f"layers.{layer}.self_attn.in_proj_weight"]
        bias = θ.get(f"layers.{layer}.self_attn.in_proj_bias")
        for rows, columns in self._made(layer, w):
            program.mm(X[:, rows], W[:, columns].mT, qkv[:, rows, columns])
            if bias is not None:
                program.add("add_bias", qkv[:, rows, columns], bias[:, columns])

    def _made(self, layer: int, w: Workspace) -> list[tuple[slice, slice]]:
        """Which rows and columns of queries, keys and values a layer makes."""
        found, d = self.sequence.stage(layer, w.batch), self.d
        if layer + 1 < self.depth:
            return [(slice(0, found.rows), slice(0, 3 * d))]
        return [(slice(0, found.rows), slice(d, 3 * d)), (found.slices[-1], slice(0, d))]

    def _attention(
        self, w: Workspace, layer: int, j: int, part: slice, tokens: Tensor | None, places: Tensor
    ) -> tuple[object, ...]:
        """Arguments of `attend_causal` up to its output; `attend_causal_backward` takes the same."""
        rows = part.stop - part.start
        fixed = rows if tokens is None else 0
        weight = w.buffer(f"weight{layer}.{j}", rows, (j + 1) * self.heads, fixed=fixed)
        qkv = self.rows(w, "qkv", layer, 3 * self.d)
        return qkv, tokens, places, j + 1, self.heads, weight

    def record_attention(
        self, program: Program, θ: Named, w: Workspace, layer: int, o: Tensor
    ) -> None:
        """o: what each queried row takes from those before it and from itself, head by head."""
        if self._absorbed(layer):
            self._mix(program, θ, w, o)
            return
        places = self.sequence.places(layer, w.batch)
        for j, part, tokens in self.queried(layer, w):
            attention = self._attention(w, layer, j, part, tokens, places)
            program.add("attend_causal", *attention, o[:, part])

    def record_attention_backward(
        self,
        program: Program,
        θ: Named,
        g: Named,
        w: Workspace,
        layer: int,
        do: Tensor,
        dread: Tensor,
        *,
        accumulate: bool,
    ) -> None:
        """dread: gradient of what the layer reads, or what is added to it, from do, that of o."""
        if self._absorbed(layer):
            self._mix_backward(program, θ, g, w, do, dread, accumulate=accumulate)
            return
        places, dqkv = self.sequence.places(layer, w.batch), self.rows(w, "dqkv", layer, 3 * self.d)
        program.add("zero", dqkv)
        for j, part, tokens in self.queried(layer, w):
            attention = self._attention(w, layer, j, part, tokens, places)
            program.add("attend_causal_backward", do[:, part], *attention, dqkv)
        weight, bias = (f"layers.{layer}.self_attn.in_proj_{word}" for word in ("weight", "bias"))
        X, W, dW = self._read(w, layer), θ[weight], g[weight]
        if bias in g:
            program.add("column_sum", dqkv, g[bias])
        for i, (rows, columns) in enumerate(self._made(layer, w)):
            made = dqkv[:, rows, columns]
            program.mm(made.mT, X[:, rows], dW[:, columns])
            program.mm(made, W[:, columns], dread[:, rows], accumulate=i > 0 or accumulate)

    # The rows themselves, in the last layer.

    def _parts(self) -> list[tuple[slice, slice, slice, slice]]:
        """Per head: its columns of q and o, those where a head has d, and its rows of W for keys and for values."""
        d, width = self.d, self.d // self.heads
        starts = range(0, d, width)
        return [
            (
                slice(start, start + width),
                slice(h * d, (h + 1) * d),
                slice(d + start, d + start + width),
                slice(2 * d + start, 2 * d + start + width),
            )
            for h, start in enumerate(starts)
        ]

    def _wide(self, w: Workspace, name: str) -> Tensor:
        """(n, H·d) buffer: a row of the stream's width for each head."""
        return w.buffer(name, w.batch, self.heads * self.d)

    def _last(self, w: Workspace) -> tuple[Tensor, slice, tuple[object, ...]]:
        """What the last layer reads, its queries' rows there, and the arguments of `attend_stream` up to its output."""
        last = self.depth - 1
        X, places = self._read(w, last), self.sequence.places(last, w.batch)
        weight = w.buffer(f"weight{last}", w.batch, self.sequence.length * self.heads)
        query, length = self._wide(w, "query"), self.sequence.length
        queried = self.sequence.stage(last, w.batch).slices[-1]
        return X, queried, (query, X, self.inputs(w), places, length, self.heads, weight)

    def _record_absorbed(self, program: Program, θ: Named, w: Workspace) -> None:
        """The queries, as they meet the rows: q of each head times that head's keys' weight."""
        name, d = f"layers.{self.depth - 1}.self_attn.in_proj", self.d
        X, queried, _ = self._last(w)
        W, bias = θ[f"{name}_weight"], θ.get(f"{name}_bias")
        q, query = w.buffer("q", w.batch, d), self._wide(w, "query")
        program.mm(X[:, queried], W[:, :d].mT, q)
        if bias is not None:
            program.add("add_bias", q, bias[:, :d])
        for own, wide, key, _ in self._parts():
            program.mm(q[..., own], W[:, key], query[..., wide])

    def _mix(self, program: Program, θ: Named, w: Workspace, o: Tensor) -> None:
        """o: the values' weight times the mixtures of the rows."""
        name, mixture = f"layers.{self.depth - 1}.self_attn.in_proj", self._wide(w, "mixture")
        program.add("attend_stream", *self._last(w)[2], mixture)
        for own, wide, _, value in self._parts():
            program.mm(mixture[..., wide], θ[f"{name}_weight"][:, value].mT, o[..., own])
        if f"{name}_bias" in θ:
            program.add("add_bias", o, θ[f"{name}_bias"][:, 2 * self.d :])

    def _mix_backward(
        self,
        program: Program,
        θ: Named,
        g: Named,
        w: Workspace,
        do: Tensor,
        dread: Tensor,
        *,
        accumulate: bool,
    ) -> None:
        name, d = f"layers.{self.depth - 1}.self_attn.in_proj", self.d
        X, queried, attention = self._last(w)
        W, dW = θ[f"{name}_weight"], g[f"{name}_weight"]
        mixture, dmixture = self._wide(w, "mixture"), self._wide(w, "dmixture")
        q, dq = w.buffer("q", w.batch, d), w.buffer("dq", w.batch, d)
        for own, wide, _, value in self._parts():
            program.mm(do[..., own].mT, mixture[..., wide], dW[:, value])
            program.mm(do[..., own], W[:, value], dmixture[..., wide])
        if not accumulate:
            program.add("zero", dread)
        dquery = mixture  # it has served
        program.add("attend_stream_backward", dmixture, *attention, dquery, dread)
        for own, wide, key, _ in self._parts():
            program.mm(q[..., own].mT, dquery[..., wide], dW[:, key])
            program.mm(dquery[..., wide], W[:, key].mT, dq[..., own])
        program.mm(dq.mT, X[:, queried], dW[:, :d])
        program.mm(dq, W[:, :d], dread[:, queried], accumulate=True)
        if f"{name}_bias" in g:
            bias = g[f"{name}_bias"]
            program.add("column_sum", dq, bias[:, :d])
            program.add("zero", bias[:, None, d : 2 * d])
            program.add("column_sum", do, bias[:, 2 * d :])
