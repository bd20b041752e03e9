"""What is run: `models` says it in types, `data`, `space` are two of its tables; `file` reads it, `check`, `fit` and
`search` say what is wrong with it. A `suite` is a list of recipes."""

from sasrec_llm.recipe.data import Data
from sasrec_llm.recipe.models import SECTIONS, Calibration, Choice, Evaluate, Head, Recipe, Stage

__all__ = ["SECTIONS", "Calibration", "Choice", "Data", "Evaluate", "Head", "Recipe", "Stage"]
