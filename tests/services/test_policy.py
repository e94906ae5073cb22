"""Policies as data: prices, backoff, and what cannot work."""

import pytest

from services.kinds import KindRegistry
from services.policy import AutoRetry, Backoff, Price, RetryDialog, RetryPolicy
from services.settings import SettingsError
from services.vocabulary import FailureType, Status
from tests.support.desks import a_kind


class TestPrice:
    @pytest.mark.parametrize(
        ("policy", "costs"),
        [
            (RetryPolicy(cost=2), [2, 2, 2]),
            (RetryPolicy(cost=Price(1, free=1)), [0, 1, 1]),
            (RetryPolicy(cost=Price(3, percent=50)), [2, 2, 2]),  # half price, rounded up
            (RetryPolicy(), [0, 0, 0]),
        ],
    )
    def test_the_cost_of_each_retry(self, policy: RetryPolicy, costs: list[int]) -> None:
        assert [policy.cost_after(used) for used in range(3)] == costs


class TestAutoRetry:
    def test_only_what_the_policy_names_and_only_so_often(self) -> None:
        auto = AutoRetry(limit=2)
        assert auto.wait(FailureType.TRANSIENT, 0) is not None
        assert auto.wait(FailureType.TRANSIENT, 2) is None
        assert auto.wait(FailureType.PERMANENT, 0) is None
        assert AutoRetry().wait(FailureType.TRANSIENT, 0) is None

    def test_the_wait_grows_to_a_cap_and_is_spread_over_all_of_it(self) -> None:
        backoff = Backoff(base=10, cap=35)
        for retry, most in ((1, 10), (2, 20), (3, 35), (9, 35), (5_000, 35)):
            waits = [backoff.seconds(retry) for _ in range(500)]
            assert 0 <= min(waits) < most / 4
            assert most * 3 / 4 < max(waits) <= most


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (RetryPolicy(statuses=frozenset({Status.RUNNING})), "not running"),
        (RetryPolicy(cost=-1), "cost cannot be negative"),
        (RetryPolicy(cost=Price(1, percent=-1)), "cost cannot be negative"),
        (RetryPolicy(cost=Price(1, free=1), counts=False), "free retry makes no sense"),
        (RetryPolicy(limit=-1), "limit cannot be negative"),
        (RetryPolicy(limit=3, counts=False), "makes no sense"),
        (RetryPolicy(auto=AutoRetry(backoff=Backoff(base=0))), "0 < base <= cap"),
        (RetryPolicy(auto=AutoRetry(backoff=Backoff(base=9, cap=1))), "0 < base <= cap"),
        (RetryPolicy(auto=AutoRetry(on=frozenset({FailureType.CANCELLED}))), "cancelled"),
        (RetryPolicy(dialog=RetryDialog(text="{price}")), "only fill in {cost}"),
    ],
)
def test_an_impossible_policy_is_refused_at_the_start(policy: RetryPolicy, why: str) -> None:
    with pytest.raises(SettingsError, match=r"'test\.odd' has an impossible retry policy") as refusal:
        KindRegistry().add(a_kind("test.odd", policy=policy))
    assert why in str(refusal.value)
    assert "\n" not in str(refusal.value)
