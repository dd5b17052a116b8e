"""What a model job leaves out at its start is there when it is asked for."""

import subprocess
import sys
import textwrap

import pytest

LOADED = "from brainalign.models import loading; import sys, torch"


def run(code: str) -> str:
    code = f"import sys; sys.path.insert(0, 'scripts')\n{LOADED}\n{textwrap.dedent(code)}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_left_out_is_what_takes_long():
    modules = ["sklearn", "scipy", "torch._dynamo.convert_frame", "torch.distributed.fsdp"]
    assert run(f"print([m for m in {modules} if m in sys.modules])") == "[]"


@pytest.mark.parametrize(
    "module", ["sklearn", "scipy", "torch._dynamo.config", "torch.distributed.tensor"]
)
def test_left_out_can_be_imported_later(module):
    assert run(f"import {module}; print(sys.modules[{module!r}].__name__)") == module


def test_sharded_training_is_there_outside_of_transformers():
    assert run("print(torch.distributed.is_available())") == "True"


def test_vmapped_masks_equal_the_others():
    run("""
        from transformers.masking_utils import causal_mask_function, sdpa_mask
        plain, vmapped = (
            sdpa_mask(2, 5, 7, q_offset=2, mask_function=causal_mask_function, use_vmap=vmap,
                      allow_is_causal_skip=False)
            for vmap in (False, True)
        )
        assert plain.shape == vmapped.shape == (2, 1, 5, 7)
        assert torch.equal(plain, vmapped)
    """)


def test_the_compiler_works_when_it_is_asked_for():
    run("""
        graphs = []
        def backend(graph, inputs):
            graphs.append(graph)
            return graph.forward
        double = torch.compile(lambda x: 2 * x, backend=backend)
        assert torch.equal(double(torch.ones(3)), torch.full((3,), 2.0))
        assert len(graphs) == 1
    """)


def test_where_transformers_came_first_nothing_is_left_out():
    code = (
        "import sys; sys.path.insert(0, 'scripts')\n"
        "from transformers import PreTrainedTokenizerFast\n"
        "from brainalign.models import loading\n"
        "from transformers import AutoModelForCausalLM, Trainer"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
