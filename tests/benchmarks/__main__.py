"""`python -m tests.benchmarks [--jobs N] [--samples N] [--rounds N] [--batch N]`: prints a table for each database."""

import argparse
import asyncio

from tests.benchmarks.batch import compare
from tests.benchmarks.latency import measure_start
from tests.benchmarks.rig import Rig, rigs
from tests.benchmarks.throughput import measure_ours, measure_stock


async def main() -> None:
    """Runs everything, one database after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5_000, help="jobs a round")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of throughput; the median counts")
    parser.add_argument("--samples", type=int, default=200, help="retries whose start is timed")
    parser.add_argument("--batch", type=int, default=100_000, help="jobs that a batch retries")
    options = parser.parse_args()
    for rig in rigs():
        await _one(rig, options)


async def _one(rig: Rig, options: argparse.Namespace) -> None:
    print(f"\n{rig.name}")
    rounds = []
    for number in range(options.rounds):
        stock = await measure_stock(rig, options.jobs)
        ours = await measure_ours(rig, options.jobs)
        rounds.append((ours / stock, ours, stock))
        print(f"  round {number + 1}: bare taskiq {stock:,.0f}/s, claim → no-op → completed {ours:,.0f}/s, "
              f"ratio {ours / stock:.2f}", flush=True)  # fmt: skip
    ratio = sorted(rounds)[len(rounds) // 2][0]
    print(f"  throughput: ratio to bare taskiq, median of {len(rounds)}: {ratio:.2f}")
    times = await measure_start(rig, options.samples)
    print(f"  accepted retry → body starts: median {times.median:.1f} ms, p95 {times.p95:.1f} ms "
          f"(from the call of retry(): {times.call_median:.1f} ms, {times.call_p95:.1f} ms)", flush=True)  # fmt: skip
    await compare(rig, options.batch)


asyncio.run(main())
