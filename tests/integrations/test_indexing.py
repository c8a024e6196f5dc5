"""The index is the position in the wrapped set, whatever fetches it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset

from scaat.data import ImageSet
from scaat.errors import InputError
from scaat.integrations import IndexedDataset


class Squares(Dataset[Any]):
    """Items say where they stand: (position squared, position)."""

    def __init__(self, count: int, kind: type = tuple, start: int = 0) -> None:
        self.count, self.kind, self.start = count, kind, start

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, position: int) -> Any:
        if not 0 <= position < self.count:
            raise IndexError
        value = position + self.start
        if self.kind is dict:
            return {"square": value**2, "label": value}
        return self.kind((value**2, value))


class Fetching(Squares):
    """Counts the calls that fetch several items at once."""

    calls = 0

    def __getitems__(self, positions: list[int]) -> list[Any]:
        self.calls += 1
        return [self[position] for position in positions]


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(1, 2)])


def batches(dataset: Any, order: list[list[int]], workers: int = 0) -> list[Any]:
    return list(DataLoader(dataset, batch_sampler=order, num_workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_tuples_gain_a_third_part(workers: int) -> None:
    dataset = IndexedDataset(Squares(9))
    assert len(dataset) == 9
    order = [[3, 8, 3], [0, 5]]  # one index twice in a batch
    for wanted, (squares, values, index) in zip(
        order, batches(dataset, order, workers), strict=True
    ):
        assert index.dtype == torch.int64
        assert index.tolist() == values.tolist() == wanted
        assert squares.tolist() == [value**2 for value in wanted]


def test_lists_and_dictionaries() -> None:
    assert IndexedDataset(Squares(9, list))[4] == [16, 4, 4]
    item = IndexedDataset(Squares(9, dict))[4]
    assert item == {"square": 16, "label": 4, "index": 4}
    (batch,) = batches(IndexedDataset(Squares(9, dict)), [[4, 2]])
    assert batch["index"].tolist() == batch["label"].tolist() == [4, 2]


def test_the_position_counts_in_what_is_wrapped() -> None:
    part = Subset(Squares(9), [7, 2, 5])
    (batch,) = batches(IndexedDataset(part), [[2, 0]])
    assert [part.tolist() for part in batch] == [[25, 49], [5, 7], [2, 0]]
    (batch,) = batches(Subset(IndexedDataset(Squares(9)), [7, 2, 5]), [[2, 0]])
    assert batch[2].tolist() == batch[1].tolist() == [5, 7]
    both = IndexedDataset(ConcatDataset([Squares(4), Squares(3, start=4)]))
    (batch,) = batches(both, [[0, 6, 3, 4]])
    assert batch[2].tolist() == batch[1].tolist() == [0, 6, 3, 4]


def test_negative_positions_count_from_the_end() -> None:
    dataset = IndexedDataset(Squares(9))
    assert dataset[-1] == (64, 8, 8)
    assert [item[2] for item in dataset.__getitems__([-9, 1])] == [0, 1]
    with pytest.raises(IndexError):
        dataset[9]
    assert [int(item[2]) for item in dataset] == list(range(9))  # iteration ends


def test_several_at_once_where_the_data_set_can() -> None:
    inner = Fetching(9)
    (batch,) = batches(IndexedDataset(inner), [[1, 6]])
    assert batch[2].tolist() == batch[1].tolist() == [1, 6]
    assert inner.calls == 1


def test_hugging_face_data() -> None:
    datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_dict({"value": [5, 6, 7], "label": [0, 1, 0]})
    (batch,) = batches(IndexedDataset(table.with_format("torch")), [[2, 0]])
    assert {name: value.tolist() for name, value in batch.items()} == {
        "value": [7, 5],
        "label": [0, 0],
        "index": [2, 0],
    }


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (Stream(), "the data set is a Stream, which can only be iterated over"),
        (iter([1]), "the data set is a list_iterator, which can only be"),
    ],
)
def test_what_has_no_positions_is_refused(dataset: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        IndexedDataset(dataset)


def test_what_cannot_carry_an_index_is_refused() -> None:
    with pytest.raises(InputError, match="an item of the data set is a Tensor"):
        IndexedDataset(torch.arange(3))[0]
    with pytest.raises(InputError, match="have a key 'index' already"):
        IndexedDataset([{"index": 3}])[0]
    images = ImageSet(torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.zeros(3).long(), ("a",))
    with pytest.raises(InputError, match="__getitems__ of ImageSet returned a tuple for 3"):
        IndexedDataset(images).__getitems__([0, 1, 2])
