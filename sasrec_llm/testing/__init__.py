"""For plugin authors: run these against your plugin and your component, in any test runner.

from sasrec_llm.testing import check_encoder, check_plugin

def test_plugin():
    check_plugin(my_plugin)
    check_encoder(my_component)
"""

from sasrec_llm.testing.backbones import check_backbone
from sasrec_llm.testing.encoders import check_encoder
from sasrec_llm.testing.plugins import check_plugin
from sasrec_llm.testing.world import context, histories, one, rows

__all__ = ["check_backbone", "check_encoder", "check_plugin", "context", "histories", "one", "rows"]
