"""The driver of `Tests/bench`, which has compiled what this needs and says how it is used."""

import argparse
import contextlib
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "EndToEnd"))

import measure
import plan
import readme
import report
import workloads
from sides import SIDES


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Tests/bench", description="Measures resumabled against nginx's own PUT "
                                     "and the Flask backend.")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    parser.add_argument("--only", metavar="W1,W3", help="these workloads")
    parser.add_argument("--sides", metavar="ours,dav", help=f"these sides of {', '.join(SIDES)}")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--small", action="store_true", help="small sizes and one round: a check of the tool itself")
    parser.add_argument("--check", action="store_true", help="end with status 1 if a target is missed")
    parser.add_argument("--disk", type=pathlib.Path, metavar="DIR", help="a folder on the disk to measure with")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIR", help="where the results go")
    parser.add_argument("--readme", action="store_true", help="put the figures into the README's table")
    parser.add_argument("--work", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tools", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: at least 1")
    if options.small:
        if options.check:
            parser.error("--check: --small measures nothing that could be checked")
        options.rounds = 1
    if options.readme and (options.small or options.only or options.sides):
        parser.error("--readme: the README has the figures of everything")
    return options


def chosen(text: str | None, known: dict, what: str) -> list:
    """The values named in a list with commas; all where there is none."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"Tests/bench: there is no {what} '{name}'; there are {', '.join(known)}")
    return [known[name] for name in known if name in names]


def machine(disk: pathlib.Path) -> dict[str, str | int]:
    nginx = subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
    return {
        "processors": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "nginx": nginx.strip().rpartition("/")[2],
        "file system": measure.file_system(disk),
    }


def spread_folders(work: pathlib.Path) -> None:
    """Has ext4 put each folder made in `work` into another part of the disk, so that nobody pays for the many files
    that the Flask backend removes while it is measured (see Side.close). Other file systems don't know the flag."""
    subprocess.run(["chattr", "+T", work], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measured(
    bench: workloads.Bench, workload: workloads.Workload, sides: list, rounds: int
) -> list[dict[str, workloads.Sample]]:
    """The rounds, in each of which every side has its turn; another one is first each time."""
    found = []
    for number in range(rounds):
        turn = {}
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            bench.settle()
            print(f"{workload.name} {number + 1}/{rounds} {side.title}", file=sys.stderr, flush=True)
            sample = workload.run(bench, side)
            if side.is_right and (sample.wrong or sample.failures):
                raise SystemExit(f"{workload.name}, {side.title}: {sample.wrong} files are not what was sent, "
                                 f"{sample.failures} requests failed")
            turn[side.name] = sample
        found.append({side.name: turn[side.name] for side in sides})
    return found


def main() -> int:
    # So that an end by a signal stops what was started, and removes what was written.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    options = arguments()
    known = {each.name: each for each in (workloads.small() if options.small else workloads.full())}
    if options.list:
        for workload in known.values():
            print(f"{workload.name}  {workload.title} ({', '.join(SIDES[name].title for name in workload.sides)})")
        return 0
    wanted = chosen(options.only, known, "workload")
    sides = chosen(options.sides, SIDES, "side")
    disk = (options.disk or options.work).resolve()
    if measure.file_system(disk) in ("tmpfs", "ramfs"):
        raise SystemExit(f"Tests/bench: {disk} is in memory; what is to be measured needs a disk")
    output = options.output or options.work
    output.mkdir(parents=True, exist_ok=True)
    if not options.small:
        minutes = options.rounds * sum(each.estimate for each in wanted) / 60
        print(f"This takes about {minutes:.0f} minutes on two processors that do nothing else.", flush=True)

    results = report.Results(machine(disk))
    with contextlib.ExitStack() as stack:
        # Not for --small, which takes a second or two.
        touches = not options.small and not stack.enter_context(measure.kept_memory())
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="files.", dir=disk)))
        spread_folders(work)
        pool = plan.Pool(options.work / "pool")
        bench = workloads.Bench(
            plan.Load(options.tools / "load", pool, options.work), work, options.tools,
            settles=not options.small, touches=touches)
        for workload in wanted:
            present = [side for side in sides if side.name in workload.sides]
            if not present:
                continue
            print(f"\n{results.add(workload, measured(bench, workload, present, options.rounds))}", flush=True)
            # Each time, so that an end before the end costs the workload under way and no more.
            results.save(output)
    # Takes a second to import.
    import chart

    chart.draw(results.summaries, output / "results.svg")
    verdicts = results.verdicts()
    if not options.small:
        for line, is_met in verdicts:
            print(f"{'met   ' if is_met else 'MISSED'} {line}")
    print(f"The results are in {output}: results.md, results.json, results.svg")
    if options.readme:
        readme.write(results.summaries)
    return 1 if options.check and not all(is_met for _, is_met in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
