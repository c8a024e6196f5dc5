"""Completion in bash of words with colons, which bash itself takes for the ends of words."""

from __future__ import annotations

import os

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    split_arg_string,
)


class ColonBashComplete(BashComplete):
    """Completes words with colons: it reads the line itself, and answers what bash replaces."""

    source_template = BashComplete.source_template.replace(
        'COMP_WORDS="${COMP_WORDS[*]}"', 'COMP_WORDS="${COMP_LINE:0:COMP_POINT}"'
    ).replace(
        "COMPREPLY+=($value)",
        "COMPREPLY+=($value); [[ $value == *: ]] && compopt -o nospace 2>/dev/null",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words of the line up to the cursor, and the one that is incomplete."""
        line = os.environ["COMP_WORDS"]
        words = split_arg_string(line)[1:]
        if line[-1:].isspace() or not words:
            return words, ""
        return words[:-1], words[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Leave out what stands before the last colon of the incomplete word."""
        _, incomplete = self.get_completion_args()
        before = incomplete.rpartition(":")[0]
        value = item.value.removeprefix(f"{before}:") if before else item.value
        return f"{item.type},{value}"


add_completion_class(ColonBashComplete)
