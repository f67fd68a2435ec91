"""How well tensors fit."""

import pytest

from profkit.correlate.tensor_shapes import (
    EXACT,
    IN_ORDER,
    ONE_OPERATOR,
    REORDERED,
    SAME_COUNT,
    ShapeSet,
    product_shapes,
    shapes_of,
    without_shape_vectors,
)

LINEAR = ShapeSet.of([((2, 5, 16), (32, 16), (32,))], [(2, 5, 32)])


@pytest.mark.parametrize(
    ("tensors", "score"),
    [
        ("2,5,16;32,16", IN_ORDER),
        ("2,5,16;16,32", IN_ORDER),
        ("32,16;2,5,16", ONE_OPERATOR),
        ("2,5,32;32", EXACT),
        ("5,2,32;32", REORDERED),
        ("10,32;32", SAME_COUNT),
        ("10,32;7,7", 0.5),
        ("3,3", -1.0),
        ("", 0.0),
    ],
)
def test_fit(tensors: str, score: float) -> None:
    assert LINEAR.fit(shapes_of(tensors)) == score


def test_unreadable_and_single_elements_tell_nothing() -> None:
    assert shapes_of("") == ()
    assert shapes_of("1;1,1;x;4,?;3,2;-1") == ((3, 2),)


def test_products_and_shape_vectors() -> None:
    assert product_shapes("aten::mm", ((3, 4), (4, 5))) == ((3, 5),)
    assert product_shapes("aten::linear", ((2, 3, 4), (5, 4))) == ((2, 3, 5),)
    assert product_shapes("aten::mm", ((3, 4), (5, 6))) == ()
    assert without_shape_vectors(((4, 8, 2, 2), (4,), (8,))) == ((4, 8, 2, 2), (8,))
