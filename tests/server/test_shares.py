"""What callers may take of what all share."""

from __future__ import annotations

from affekt.server.shares import Shares, Turns, shared_address


def test_one_caller_gets_three_quarters_and_later_ones_a_part():
    shares = Shares(16)
    assert sum(shares.take("greedy") for _ in range(100)) == 12
    assert shares.take("other")
    assert not shares.take("greedy")
    assert sum(shares.take("other") for _ in range(100)) > 0
    for name in map(str, range(5)):
        shares.take(name)
    assert shares.used <= 16
    shares.give("greedy", 12)
    assert shares.take("greedy")


def test_a_limit_of_one_is_one():
    shares = Shares(1)
    assert shares.take("first")
    assert not shares.take("second")
    shares.give("first")
    assert shares.take("second")


def test_nothing_is_kept_of_callers_who_left():
    shares, turns = Shares(10), Turns(2)
    for number in range(1000):
        assert shares.take(str(number), 3)
        shares.give(str(number), 3)
        turns.begin(str(number))
        turns.end(str(number))
    assert (shares.used, len(shares._held), len(turns._running)) == (0, 0, 0)


def test_callers_take_turns():
    turns = Turns(2)
    waiting = ["greedy"] * 5 + ["other"]
    begun = []
    while (chosen := turns.next(waiting, str)) is not None:
        waiting.remove(chosen)
        turns.begin(chosen)
        begun.append(chosen)
    assert begun == ["greedy", "other"]  # who does not wait behind all five
    assert turns.next(["other", "greedy", "new"], str) == "new"  # nor for one of them to end
    turns.begin("new")
    assert turns.next(["newer"], str) is None


def test_addresses_of_one_network_are_one_caller():
    assert shared_address("192.0.2.7") == "192.0.2.7"
    assert shared_address("2001:db8:1:2:3:4:5:6") == shared_address("2001:db8:1:2::9")
    assert shared_address("2001:db8:1:2::") != shared_address("2001:db8:1:3::")
    assert shared_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert shared_address("testclient") == "testclient"
