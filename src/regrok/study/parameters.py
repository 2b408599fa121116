"""How many parameters a network has, without the network: a check at load must not load torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from regrok.study.sizes import task_info

if TYPE_CHECKING:
    from regrok.study.run import Settings


def parameters(settings: Settings) -> int | None:
    """How many parameters a network of these settings has; null for a model of which this does not say.

    A test sets it beside the layouts of `regrok.models`, which load torch.
    """
    info, model = task_info(settings.task), settings.model
    if model.name == "transformer":
        d, f, p = model.d_model, model.ffn, info.tokens or 0
        tables = (2 if model.embeddings == "separate" else 1) * p * d + 2 * d
        layer = 4 * d * d + 4 * d + 2 * d * f + f + d + 4 * d
        return tables + layer + 2 * d + info.classes * (d + 1)
    if model.name == "mlp":
        w, pairs = model.width, info.kind == "pairs"
        concat = model.input == "concat"
        inputs = (2 * w if concat else w) if pairs else info.width or 0
        first = 0 if model.residual and pairs and not concat else w * (inputs + 1)
        hidden = (
            model.depth * (2 * w + 2 * w * (w + 1))
            if model.residual
            else (model.depth - 1) * w * (w + 1)
        )
        embedding = (info.tokens or 0) * w if pairs else 0
        return embedding + first + hidden + info.classes * (w + 1)
    return None
