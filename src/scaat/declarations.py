"""What each measured number is called, means and which way is better, readable without torch.

A metric class declares its numbers in its body (``declares``); nothing repeats them. The report
works without torch, and importing torchmetrics takes seconds, so `declarations` reads the class
bodies as literals and does not run them.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Category = Literal[
    "performance",  # of the model
    "model",  # of the model, on request
    "sparsity",
    "faithfulness",
    "further",
    "lattice",
    "localisation",
    "stability",
    "sanity",
]
"""Which table shows the number.

Performance, sparsity and faithfulness hold the paper's numbers: every results file has them, and
the report's verdicts count them. A new metric belongs in one of the others, most often ``further``.
"""


@dataclass(frozen=True)
class Declaration:
    """One number of a metric, as results name it and tables print it.

    Attributes:
        key: The name in ``results.json``.
        name: What tables call it.
        better: Which direction is better.
        definition: One or two sentences for readers of a report.
        category: The table that shows it.
        short: A name for narrow columns; ``name`` if empty.
        scale: Printed value = stored value x scale (the paper prints AOPC in thousandths).
        unit: Of the printed value; empty if it has none.
        decimals: Digits after the point; None prints three significant digits.
        ratio_of: Keys of numerator and denominator if it is a ratio of two means; else empty.
    """

    key: str
    name: str
    better: Literal["higher", "lower"]
    definition: str
    category: Category
    short: str = ""
    scale: float = 1.0
    unit: str = ""
    decimals: int | None = None
    ratio_of: tuple[str, ...] = ()

    @property
    def higher_is_better(self) -> bool:
        """Whether a higher value is better."""
        return self.better == "higher"

    @property
    def arrow(self) -> str:
        """The direction that is better, as the paper's tables mark it."""
        return "↑" if self.higher_is_better else "↓"

    @property
    def label(self) -> str:
        """Name, unit and arrow: the head of a table's row or column."""
        unit = f" ({self.unit})" if self.unit else ""
        # The no-break space keeps the arrow on the line of the name.
        return f"{self.name}{unit}\N{NO-BREAK SPACE}{self.arrow}"


MODEL = (
    Declaration(
        key="accuracy",
        name="Accuracy",
        better="higher",
        definition="Fraction of test images whose most probable class is the true one.",
        category="performance",
        short="Acc.",
        decimals=3,
    ),
    Declaration(
        key="auc",
        name="AUC",
        better="higher",
        definition="Area under the ROC curve: the chance that a positive image scores above a "
        "negative one (two classes only).",
        category="performance",
        decimals=3,
    ),
    Declaration(
        key="robust_accuracy_2",
        name="Accuracy under attack, 2/255",
        better="higher",
        definition="Fraction of the measured test images that are classified correctly as they are "
        "and after a white-box attack: PGD with 20 steps, which may change each pixel by 2/255.",
        category="model",
        short="PGD 2/255",
        decimals=3,
    ),
    Declaration(
        key="robust_accuracy_8",
        name="Accuracy under attack, 8/255",
        better="higher",
        definition="The same with changes of up to 8/255.",
        category="model",
        short="PGD 8/255",
        decimals=3,
    ),
    Declaration(
        key="calibration_error",
        name="Calibration error",
        better="lower",
        definition="Expected calibration error: by how much the fraction of correct predictions "
        "differs from their probability, over 15 bins of probability.",
        category="model",
        short="ECE",
        decimals=3,
    ),
    Declaration(
        key="exact_match",
        name="All labels right",
        better="higher",
        definition="Fraction of test images of which every label is predicted correctly, present "
        "above a probability of 1/2 (several labels an image only).",
        category="model",
        decimals=3,
    ),
    Declaration(
        key="macro_auc",
        name="Macro AUC",
        better="higher",
        definition="Mean over the labels of the area under the ROC curve, without labels that no "
        "test image or every one has.",
        category="model",
        decimals=3,
    ),
    Declaration(
        key="macro_average_precision",
        name="Macro AP",
        better="higher",
        definition="Mean over the same labels of the average precision: the precision at each "
        "present label's score, averaged.",
        category="model",
        decimals=3,
    ),
)
"""The numbers that the evaluation takes from the model alone, without a metric class."""


@cache
def declarations() -> dict[str, Declaration]:
    """Return every declared number by key: the model's, then those of the metric classes.

    They come in the order of the files' names in ``scaat/metrics``, then of their place in a file.
    """
    by_key = {declaration.key: declaration for declaration in MODEL}
    folder = files("scaat").joinpath("metrics")
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name.endswith(".py"):
            by_key |= {each.key: each for each in _declared(path.read_text(encoding="utf-8"))}
    return by_key


def _declared(source: str) -> list[Declaration]:
    return [
        Declaration(**{word.arg or "": ast.literal_eval(word.value) for word in node.keywords})
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == Declaration.__name__
    ]
