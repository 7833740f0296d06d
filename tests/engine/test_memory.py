"""Remembering: bounded by weight, keyed by the only argument, and invisible but in time."""

import pytest

from mesh_injector.engine.memory import Memory, Shelf


def counted(room: int = 10, largest: int = 10) -> tuple[Memory[str, str], list[str]]:
    asked: list[str] = []

    def shout(key: str) -> str:
        asked.append(key)
        return key.upper()

    return Memory(shout, lambda key, _: len(key), room=room, largest=largest), asked


def test_what_was_asked_before_is_not_worked_out_again() -> None:
    memory, asked = counted()
    assert [memory("a"), memory("a"), memory("b"), memory("a")] == ["A", "A", "B", "A"]
    assert asked == ["a", "b"]
    assert (memory.hits, memory.misses, len(memory), memory.weight) == (2, 2, 2, 2)


def test_the_longest_unused_goes_when_there_is_no_room() -> None:
    memory, asked = counted(room=4)
    for key in ("aa", "bb", "aa", "cc", "aa", "bb"):
        memory(key)
    assert asked == ["aa", "bb", "cc", "bb"]
    assert memory.weight <= 4


def test_what_is_too_heavy_is_worked_out_each_time_and_crowds_nobody_out() -> None:
    memory, asked = counted(room=10, largest=3)
    assert [memory("a"), memory("heavy"), memory("heavy"), memory("a")] == ["A", "HEAVY", "HEAVY", "A"]
    assert asked == ["a", "heavy", "heavy"]
    assert len(memory) == 1


def test_however_many_keys_come_the_weight_stays_within_the_room() -> None:
    memory, _ = counted(room=100)
    for number in range(10_000):
        memory(str(number))
    assert 90 <= memory.weight <= 100


def test_what_raises_is_passed_on_and_asked_again() -> None:
    asked = []

    def fail(key: str) -> str:
        asked.append(key)
        raise ValueError(key)

    memory: Memory[str, str] = Memory(fail, lambda _, __: 1, room=10)
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            memory("a")
    assert asked == ["a", "a"]


def test_what_is_forgotten_is_worked_out_anew() -> None:
    memory, asked = counted()
    memory("a")
    memory.forget()
    memory("a")
    assert asked == ["a", "a"]


def test_what_is_just_as_heavy_as_one_may_be_is_kept_and_what_fills_the_room_too() -> None:
    memory, asked = counted(room=6, largest=3)
    for key in ("aaa", "bbb", "aaa", "bbb"):
        memory(key)
    assert (asked, memory.weight, len(memory)) == (["aaa", "bbb"], 6, 2)


def test_the_weight_is_that_of_what_is_kept_also_after_something_was_put_again_or_crowded_out() -> None:
    shelf: Shelf[str, str] = Shelf(10)
    for key, weight in (("a", 4), ("b", 3), ("a", 2), ("c", 4), ("d", 7)):
        shelf.put(key, key, weight)
    assert (shelf.results(), shelf.weight) == (["d"], 7)
    shelf.put("d", "again", 5)
    shelf.put("e", "e", 5)
    assert (shelf.results(), shelf.weight) == (["again", "e"], 10)
    shelf.forget()
    assert (len(shelf), shelf.weight, shelf.get("e")) == (0, 0, None)


def test_what_was_read_last_is_kept_longest() -> None:
    shelf: Shelf[str, int] = Shelf(2)
    shelf.put("a", 1, 1)
    shelf.put("b", 2, 1)
    assert shelf.get("a") == 1
    shelf.put("c", 3, 1)
    assert (shelf.get("b"), shelf.get("a"), shelf.get("c")) == (None, 1, 3)


def test_the_result_may_decide_what_it_weighs() -> None:
    memory: Memory[str, str] = Memory(str.upper, lambda _, result: len(result) * 2, room=10)
    memory("abc")
    assert memory.weight == 6
