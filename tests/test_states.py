"""No state that a control can reach is an error: every lesson is run, and its explorers moved."""

from itertools import combinations, product

import pytest
from explorers import ALL, LESSONS, explorers_of, some_of, states

from convlab.explore.spots import spots


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_state_of_a_lessons_explorers_can_be_drawn_touched_and_read(lesson):
    for name, explorer in explorers_of(lesson).items():
        options = {control: list(offered.values()) for control, offered in explorer.choices.options.items()}
        sizes = set()
        reached = states({control: len(offered) for control, offered in options.items()})
        for number, at in enumerate(reached):
            values = {control: options[control][place] for control, place in at.items()}
            sentence = explorer.set(**values).sentence
            sizes.add(tuple(explorer._show(explorer.choices, explorer.choices.at).figure.get_size_inches()))
            assert sentence.endswith("."), (name, values)
            assert any(letter.isdigit() for letter in sentence), (name, values)
            if number % 10 == 0:  # to encode and to look for spots takes longer than to draw
                assert explorer.picture.encode("jpeg"), (name, values)
                found, _ = spots(explorer._show(explorer.choices, explorer.choices.at), explorer.choices)
                assert found or lesson == "05", (name, values)
                assert all(min(spot["box"]) >= -0.001 and max(spot["box"]) <= 1.001 for spot in found)
        assert len(sizes) == 1, f"{name} would make the page jump"
        explorer.reset()


def test_few_states_are_all_reached_and_of_many_the_corners_and_every_pair_of_some():
    assert len(states({"a": 10, "b": 10})) == ALL == 100
    assert some_of(5) == [0, 1, 2, 3, 4]
    assert some_of(15) == [0, 2, 4, 6, 8, 10, 12, 14]
    counts = {"a": 128, "b": 7, "c": 5, "d": 3}
    reached = states(counts)
    assert len(reached) < 120
    for first, second in combinations(counts, 2):
        pairs = {(at[first], at[second]) for at in reached}
        assert pairs == set(product(some_of(counts[first]), some_of(counts[second])))
    corners = {tuple(at.values()) for at in reached}
    assert corners >= set(product(*((0, count - 1) for count in counts.values())))
