"""The native kernels do what the reference says; elementary functions are as accurate as float32
allows; a machine without a compiler is told so."""

import math
import os
import platform
import shlex
import shutil
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from regrok import kernels
from regrok.errors import RegrokError
from regrok.kernels import native as compiled
from regrok.kernels import products, reference
from regrok.kernels.native import SOURCES
from regrok.kernels.products import PRODUCTS
from regrok.kernels.reference import ACTIVATIONS

CPU = torch.device("cpu")
DTYPES = [torch.float64, torch.float32]
N, P, D, H, C = 37, 11, 20, 4, 7  # none a multiple of a vector's 8 or 16 lanes

native = kernels.select(CPU, torch.float32)
needs_native = pytest.mark.skipif(native.name != "native", reason="no C++ compiler")


def inputs(dtype: torch.dtype) -> dict[str, Tensor]:
    """One run's arrays: x, y, z (n, d); tables t0–t4 (p, d) of a wider buffer; vectors u, v (d,)."""
    stream = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(1, *shape, generator=stream, dtype=torch.float64).to(dtype)

    tables = normal(P, 5 * D)
    found = {f"t{i}": tables[..., i * D : (i + 1) * D] for i in range(5)}
    found |= {name: normal(N, D) for name in "xyz"}
    found |= {name: normal(D) for name in "uv"}
    found |= {"half": normal(N, D)[:, :1].expand(1, 1, D).contiguous(), "bias": normal(C)}
    found["logits"] = 3 * normal(N, C + 2)[..., :C]  # rows further apart than they are long
    found["rstd"] = normal(N).abs()
    found["times"] = (1 + torch.arange(N) % 3).to(dtype)[None]
    found["weight"] = torch.rand(1, N, H, generator=stream, dtype=torch.float64).to(dtype)
    found["tokens"] = torch.randint(P, (1, N, 2), generator=stream)
    found |= {name: normal(2 * P + 2 + 2 * N, 3 * D) for name in ("qkv", "qkv_grad")}
    found |= {name: normal(2 * P + 2 + 2 * N, D) for name in ("stream", "stream_grad")}
    found |= {name: normal(N, H * D) for name in ("wide", "other_wide", "wide_grad")}
    found |= {"shares": normal(N, 4 * H), "few_shares": normal(P, 2 * H)}
    # a's rows, one for ∘, b's, one for =; behind a layer p rows for a and ∘, one an example for the others
    found["before"] = torch.tensor([[[0, P, 1], [P, 1, 0], [P + 1, P, 2], [2 * P + 1, 1, 0]]])
    behind = [[0, P, 1], [P, P, 1], [2 * P, N, 3], [2 * P + N, N, 3]]
    found["behind"] = torch.tensor([behind])
    found["labels"] = torch.randint(C, (1, N), generator=stream)
    found["draw"] = torch.tensor([[2**62 + 12345, 678]])
    found["odd"] = normal(N, D + 1)[..., : D - 1]  # numbers come in pairs
    found["long"] = normal(1, 1001)
    return found


# kernel -> arguments: a name of `inputs`, a number, None, or "out:shape" for a result (random
# before the call: what a kernel adds to must be read, what it overwrites must not).
OUT_ND, OUT_PD, OUT_D = "out:nd", "out:pd", "out:d"
CALLS = {
    "add_row": ["t0", "u", OUT_PD],
    "add_bias": ["x", "u"],
    "add": ["x", "y", 0.5, OUT_ND],
    "scaled": ["x", 0.3, OUT_ND],
    "zero": ["x"],
    "column_sum": ["x", OUT_D],
    "gather_sum": ["t0", "t1", "tokens", OUT_ND],
    "scatter_sum a": ["x", "tokens", 0, OUT_PD],
    "scatter_sum b": ["x", "tokens", 1, OUT_PD],
    **{f"activate {k}": [i, "x", "u", 0.5, OUT_ND, "x"] for i, k in enumerate(ACTIVATIONS)},
    **{f"activate {k} forward": [i, "x", None, 1.0, OUT_ND, None] for i, k in enumerate(ACTIVATIONS)},
    "gather_activate": [0, "t0", "t1", "tokens", "u", 1.0, OUT_ND, OUT_ND],
    "activate_backward": ["x", "y", OUT_D],
    "activate_backward repeated": ["half", "y", OUT_D],
    "norm": ["x", None, 1.0, None, None, 0, None, "u", "v", OUT_ND, "out:n", OUT_ND],
    "norm residual": ["x", "u", 0.5, "y", None, 0, OUT_ND, "u", "v", OUT_ND, "out:n", OUT_ND],
    "norm table": ["x", "u", 1.0, "t2", "tokens", 1, None, "u", "v", None, None, OUT_ND],
    "norm_backward": ["x", "y", "rstd", "u", None, 1.0, OUT_D, OUT_D, "x", 1.0, OUT_D],
    "norm_backward skip": ["x", "y", "rstd", "u", "z", 0.5, OUT_D, OUT_D, "z", 0.5, OUT_D],
    "norm_backward repeated": ["x", "y", "rstd", "u", "half", 0.5, OUT_D, OUT_D, OUT_ND, 1.0, None],
    "cross_entropy": ["logits", "bias", "labels", None, "out:1", "out:c"],
    "cross_entropy weighted": ["logits", "bias", "labels", "times", "out:1", "out:c"],
    "noise": ["x", "draw", 0, 0.3, None, OUT_ND],
    "noise masked, in place": ["x", "draw", 1, 0.3, "u", "x"],
    "noise of odd rows": ["odd", "draw", 0, 0.3, None, "odd"],
    "noise of a long row": ["long", "draw", 0, 0.3, None, "long"],
    "dropout": ["x", "draw", 2, 0.3, OUT_ND, None],
    "dropout of both, in place": ["x", "draw", 3, 0.3, "x", "y"],
    "dropout of odd rows": ["odd", "draw", 2, 0.9, "odd", None],
    "dropout of a long row": ["long", "draw", 2, 0.5, "long", None],
    "score": ["logits", "bias", "labels", "out:n", "out:n", "out:c", "out:c"],
    **{
        f"attend {c}": ["t0", "t1", "t2", "t3", "t4", "tokens", c, H, "out:nh", OUT_ND]
        for c in (0, 1)
    },
    **{
        f"attend_backward {c}": [
            "x", "t0", "t1", "t2", "t3", "t4", "tokens", c, H, "weight", *[OUT_PD] * 5
        ]
        for c in (0, 1)
    },
    **{
        f"{kernel} {where} {j}": [*given, "tokens", where, j, OUT_ND if kernel == "gather_rows" else "stream"]
        for kernel, given in (("gather_rows", ["stream"]), ("scatter_rows", ["x"]))
        for where in ("before", "behind")
        for j in range(4)
    },
    "gather_rows of residues": ["stream", None, "behind", 1, OUT_PD],
    "scatter_rows of residues": ["t0", None, "before", 1, "stream"],
    **{
        f"attend_causal {where}": ["qkv", "tokens", where, 4, H, "shares", OUT_ND]
        for where in ("before", "behind")
    },
    "attend_causal of residues": ["qkv", None, "before", 2, H, "few_shares", OUT_PD],
    **{
        f"attend_causal_backward {where}": ["x", "qkv", "tokens", where, 4, H, "shares", "qkv_grad"]
        for where in ("before", "behind")
    },
    "attend_causal_backward of residues": ["t0", "qkv", None, "behind", 2, H, "few_shares", "qkv_grad"],
    **{
        f"attend_stream {where}": ["wide", "stream", "tokens", where, 4, H, "shares", "other_wide"]
        for where in ("before", "behind")
    },
    **{
        f"attend_stream_backward {where}": [
            "other_wide", "wide", "stream", "tokens", where, 4, H, "shares", "wide_grad", "stream_grad"
        ]
        for where in ("before", "behind")
    },
}  # fmt: skip
SIZES = {"n": N, "p": P, "d": D, "h": H, "c": C, "1": 1}


def arguments(call: list, dtype: torch.dtype) -> list:
    """Fresh arguments, the same at every call; a name that comes twice is one tensor twice."""
    arrays, stream = inputs(dtype), torch.Generator().manual_seed(1)

    def value(given):
        if not isinstance(given, str):
            return given
        if given.startswith("out:"):
            shape = [SIZES[letter] for letter in given.removeprefix("out:")]
            return torch.randn(1, *shape, generator=stream, dtype=torch.float64).to(dtype)
        return arrays[given]

    return [value(given) for given in call]


@needs_native
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", list(CALLS))
def test_native_equals_reference(name, dtype):
    kernel, call = name.split()[0], CALLS[name]
    expected, found = arguments(call, dtype), arguments(call, dtype)
    reference.KERNELS.bind(kernel, *expected)()
    native.bind(kernel, *found)()
    tolerance = 1e-13 if dtype == torch.float64 else 2e-5
    for a, b in zip(found, expected, strict=True):
        if isinstance(a, Tensor):
            torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


@needs_native
@pytest.mark.parametrize("kind", range(4), ids=ACTIVATIONS)
def test_activation_accuracy_in_float32(kind):
    """Within a few units in the last place of the largest intermediate, over the whole range."""
    x = torch.linspace(-12, 12, 20_001).view(1, -1, 1).expand(1, -1, 3).contiguous()
    value, slope = torch.empty_like(x), torch.empty_like(x)
    native.bind("activate", kind, x, None, 1.0, value, slope)()
    exact, exact_slope = torch.empty_like(x.double()), torch.empty_like(x.double())
    reference.activate(kind, x.double(), None, 1.0, exact, exact_slope)
    unit = 2.0**-24
    scale = x.double().abs().clamp_min(1)
    assert ((value - exact).abs() <= 4 * unit * torch.maximum(scale, exact.abs())).all()
    assert ((slope - exact_slope).abs() <= 8 * unit * scale).all()


@needs_native
@pytest.mark.parametrize("kind", range(4), ids=ACTIVATIONS)
def test_activation_of_nan_is_nan(kind):
    x = torch.full((1, 2, 19), math.nan)
    value = torch.zeros_like(x)
    native.bind("activate", kind, x, None, 1.0, value, None)()
    assert value.isnan().all()


@pytest.mark.parametrize("implementation", ["native", "reference"])
def test_cross_entropy_survives_large_logits(implementation):
    if implementation == "native" and native.name != "native":
        pytest.skip("no C++ compiler")
    found = kernels.select(CPU, torch.float32, implementation)
    logits = torch.tensor([[[1e4, 0.0, -1e4], [-1e4, 1e4, 1e4]]])
    loss, bias, bias_grad = torch.zeros(1, 1), torch.zeros(1, 3), torch.zeros(1, 3)
    labels = torch.tensor([[0, 1]])
    found.bind("cross_entropy", logits, bias, labels, None, loss, bias_grad)()
    torch.testing.assert_close(loss[0, 0].item(), math.log(2) / 2)
    expected = torch.tensor([[[0, 0, 0], [0, -0.25, 0.25]]])
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("implementation", ["native", "reference"])
@pytest.mark.parametrize("classes", [3, 16, 17])
def test_score_of_ties_and_nan(implementation, classes):
    """The first of equal logits wins, as with argmax; NaN never makes a hit."""
    if implementation == "native" and native.name != "native":
        pytest.skip("no C++ compiler")
    found = kernels.select(CPU, torch.float32, implementation)
    logits, labels = torch.zeros(1, 6, classes), torch.tensor([[0, 1, 2, 2, 0, 1]])
    logits[0, 2, 2] = 1.0
    logits[0, 3, 1:] = 1.0  # the label ties with the one before it
    logits[0, 4, 1] = math.nan
    logits[0, 5, 1] = math.nan
    out = [torch.full((1, 6), 9.0) for _ in range(2)] + [torch.zeros(1, classes) for _ in range(2)]
    bias = torch.zeros(1, classes)
    found.bind("score", logits, bias, labels, *out)()
    # torch.argmax takes a NaN for the largest, so it counts the last row as a hit; its loss is NaN.
    assert out[1][0, :5].tolist() == [1, 0, 1, 0, 0]
    torch.testing.assert_close(out[0][0, 0].item(), math.log(classes))
    assert out[0][0, 4:].isnan().all()


@needs_native
def test_a_row_does_not_see_its_place():
    """The same example gives the same bits in any row and beside any others."""

    def last_row(rows: Tensor) -> Tensor:
        x, out = rows.clone(), torch.empty_like(rows)
        u, v = torch.linspace(0, 1, D)[None], torch.linspace(1, 2, D)[None]
        native.bind("norm", x, u, 1.0, None, None, 0, None, u, v, None, None, out)()
        native.bind("activate", 0, out, u, 1.0, x, None)()
        return x[:, -1]

    stream = torch.Generator().manual_seed(0)
    row = torch.randn(1, 1, D, generator=stream)
    others = torch.randn(1, 30, D, generator=stream)
    assert torch.equal(last_row(row), last_row(torch.cat([others, row], 1)))


def needs_product(kind: str) -> None:
    if kind not in native.products:
        pytest.skip(f"this CPU has no instructions for {kind} products")


@needs_native
@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize(
    "shape",
    [(1, 1, 1), (5, 3, 2), (42, 33, 3), (33, 65, 31), (97, 40, 128), (64, 97, 97), (288, 256, 49)],
)
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("accumulate", [False, True])
def test_products_are_exact_to_float32_rounding(shape, transposed, accumulate, kind):
    """Of the operands as they are, or rounded to bfloat16; by the library and by torch."""
    needs_product(kind)
    M, K, N_ = shape
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(1, M, K, generator=stream), torch.randn(1, K, N_, generator=stream)
    a = a.mT.contiguous().mT if "a" in transposed else a
    b = b.mT.contiguous().mT if "b" in transposed else b
    padded = torch.randn(1, M, N_ + 3, generator=stream)
    out, beyond = padded[..., :N_], padded[..., N_:].clone()
    start = out.double() if accumulate else 0
    x, y = (a.bfloat16(), b.bfloat16()) if kind == "bfloat16" else (a, b)
    exact = start + x.double() @ y.double()
    size = a.abs().double() @ b.abs().double() + (out.abs() if accumulate else 0)
    bound = (2.0**-22 if kind == "bfloat16" else 2.0**-21) * size
    products.bind(a, b, out, accumulate, kind, native.products)()
    assert ((out - exact).abs() <= bound).all()
    assert torch.equal(padded[..., N_:], beyond)  # nothing written past the columns
    by_torch = torch.zeros(1, M, N_)
    products.bind(a, b, by_torch, False, kind)()
    assert ((by_torch - exact + start).abs() <= bound).all()


@needs_native
@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("transposed", ["", "a", "b", "ab"])
@pytest.mark.parametrize("shape", [(37, 21, 40), (34, 33, 17)])
def test_a_product_spreads_nan_and_infinity_as_torch_does(shape, transposed, kind):
    """The zeros that fill up the last tiles meet none of them."""
    needs_product(kind)
    M, K, N_ = shape
    a, b, out = torch.ones(1, M, K), torch.ones(1, K, N_), torch.empty(1, M, N_)
    a[0, 3, K - 1], a[0, M - 1, 0], b[0, K - 1, N_ - 1] = math.inf, math.nan, -math.inf
    a = a.mT.contiguous().mT if "a" in transposed else a
    b = b.mT.contiguous().mT if "b" in transposed else b
    products.bind(a, b, out, False, kind, native.products)()
    assert torch.equal(out.nan_to_num(math.pi), torch.bmm(a, b).nan_to_num(math.pi))


@needs_native
@pytest.mark.parametrize("kind", PRODUCTS)
@pytest.mark.parametrize("transposed", [False, True])
def test_a_row_of_a_product_does_not_see_its_place(transposed, kind):
    """Nor does a column: the same bits at any place, beside any others."""
    needs_product(kind)
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(1, 71, 50, generator=stream), torch.randn(1, 50, 75, generator=stream)

    def product(a: Tensor, b: Tensor) -> Tensor:
        if transposed:
            a, b = a.mT.contiguous().mT, b.mT.contiguous().mT
        out = torch.empty(1, a.shape[1], b.shape[2])
        products.bind(a, b, out, False, kind, native.products)()
        return out

    whole = product(a, b)
    for first, last in [(0, 1), (1, 34), (30, 71), (70, 71)]:
        assert torch.equal(product(a[:, first:last], b), whole[:, first:last])
        assert torch.equal(product(a, b[..., first:last]), whole[..., first:last])


@needs_native
def test_only_one_run_in_float32_takes_the_products_of_the_library():
    def unexpected(*args):
        raise AssertionError("not by the library")

    for runs, dtype in [(1, torch.float64), (2, torch.float32)]:
        a = torch.eye(3, dtype=dtype).repeat(runs, 1, 1)
        products.bind(a, a, out := torch.empty_like(a), False, "float32", {"float32": unexpected})()
        assert torch.equal(out, a)


@needs_native
@pytest.mark.parametrize("wrong", ["a", "out", "dtype"])
def test_operands_without_neighbours_are_refused(wrong):
    needs_product("float32")
    a = torch.zeros(1, 4, 4)
    given = {"a": a, "b": a, "out": a.clone()}
    if wrong == "dtype":
        given["b"] = a.double()
    else:
        given[wrong] = torch.zeros(1, 4, 8)[..., ::2]
    with pytest.raises(ValueError, match="neighbours"):
        products.bind(*given.values(), False, "float32", native.products)


def test_bfloat16_products_of_float64_are_refused():
    a = torch.zeros(1, 2, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="float32"):
        products.bind(a, a, a.clone(), False, "bfloat16")


def test_unknown_names_are_refused():
    with pytest.raises(RegrokError, match="'fast'"):
        kernels.select(CPU, torch.float32, "fast")
    with pytest.raises(RegrokError, match="CPU"):
        kernels.select(torch.device("meta"), torch.float32, "native")


@needs_native
def test_stacked_runs_are_refused():
    x = torch.zeros(2, 3, 4)
    with pytest.raises(ValueError, match="one run"):
        native.bind("zero", x)


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_the_reference_is_used_and_said_once(compiler, tmp_path):
    program = (
        "import torch\n"
        "from regrok import kernels\n"
        "found = [kernels.select(torch.device('cpu'), torch.float32).name for _ in range(2)]\n"
        "print(*found)\n"
    )
    environment = os.environ | {"CXX": compiler, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("PYTHONWARNINGS", None)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stdout.split() == ["reference", "reference"]
    assert done.stderr.count("C++ compiler") == 1 + (compiler == "no-such-compiler")
    assert done.stderr.count("RuntimeWarning") == 1


@needs_native
@pytest.mark.skipif(platform.machine() != "x86_64", reason="instructions of x86-64")
@pytest.mark.parametrize("processor", ["x86-64", "skylake-avx512", "cooperlake", "sapphirerapids"])
def test_the_products_compile_for_processors_that_this_one_is_not(processor, tmp_path):
    """Without AVX512, with it, with AVX512-BF16, and with AMX tiles too."""
    source = next(path for path in SOURCES if path.name == "products.cpp")
    flags = ["-std=c++17", "-O1", "-fPIC", f"-march={processor}", "-c"]
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    done = subprocess.run(
        [*compiler, *flags, source, "-o", tmp_path / "products.o"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr


@needs_native
def test_an_edited_header_is_another_library(tmp_path, monkeypatch):
    """The library is kept under what all sources say, headers among them."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    for path in (*compiled.SOURCES, *compiled.HEADERS):
        shutil.copy(path, folder)
    copies = {"SOURCES": compiled.SOURCES, "HEADERS": compiled.HEADERS}
    for name, paths in copies.items():
        monkeypatch.setattr(compiled, name, tuple(folder / path.name for path in paths))
    monkeypatch.setattr(
        compiled, "FLAGS", ("-std=c++17", "-O0", "-fopenmp-simd", "-fPIC", "-shared")
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    first = compiled._library(compiler)
    assert compiled._library(compiler) == first
    norms = folder / "norms.h"
    norms.write_text(
        norms.read_text(encoding="utf-8").replace("kNormEpsilon = 1e-5", "kNormEpsilon = 1e-6"),
        encoding="utf-8",
    )
    assert compiled._library(compiler) != first
