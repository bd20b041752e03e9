"""For plugin authors: run these against your plugin and your components, in any test runner.

from sasrec_llm.testing import check_component, check_plugin, run_recipe

def test_plugin():
    check_plugin(my_plugin)
    check_component(my_component)
    assert run_recipe(RECIPE, my_plugin)["auc"] > 0.6
"""

from sasrec_llm.testing.aligners import check_aligner
from sasrec_llm.testing.backbones import check_backbone
from sasrec_llm.testing.components import check_component
from sasrec_llm.testing.data import tiny_workspace
from sasrec_llm.testing.encoders import check_encoder
from sasrec_llm.testing.metrics import check_metric
from sasrec_llm.testing.parts import tiny_backbone
from sasrec_llm.testing.plugins import check_plugin
from sasrec_llm.testing.recipes import run_recipe
from sasrec_llm.testing.sources import check_source
from sasrec_llm.testing.strategies import check_strategy
from sasrec_llm.testing.world import context, examples, histories, one, rows, sequences

__all__ = [
    "check_aligner",
    "check_backbone",
    "check_component",
    "check_encoder",
    "check_metric",
    "check_plugin",
    "check_source",
    "check_strategy",
    "context",
    "examples",
    "histories",
    "one",
    "rows",
    "run_recipe",
    "sequences",
    "tiny_backbone",
    "tiny_workspace",
]
