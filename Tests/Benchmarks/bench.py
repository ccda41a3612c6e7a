"""The benchmark's main program. `Tests/bench` starts it, and documents its options."""

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
from sides import SIDES, Before

# The servers that `--sides` can name.
MEASURED = {name: side for name, side in SIDES.items() if side is not Before}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="Tests/bench", description="Compares resumabled with nginx's own PUT and "
                                     "the Flask backend.")
    parser.add_argument("--list", action="store_true", help="print the workloads and exit")
    parser.add_argument("--only", metavar="W1,W3", help="measure these workloads")
    parser.add_argument("--sides", metavar="ours,dav", help=f"measure these servers, of {', '.join(MEASURED)}")
    parser.add_argument("--before", metavar="PROGRAM", help="measure this build of resumabled, too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default: 5)")
    parser.add_argument("--small", action="store_true", help="small sizes and one round, to check the tool itself")
    parser.add_argument("--check", action="store_true", help="exit with status 1 if a target is missed")
    parser.add_argument("--disk", type=pathlib.Path, metavar="DIR", help="the folder for uploads")
    parser.add_argument("--output", type=pathlib.Path, metavar="DIR", help="the folder for the results")
    parser.add_argument("--readme", action="store_true", help="write the figures into the tables of the documentation")
    parser.add_argument("--work", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tools", type=pathlib.Path, required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    if options.small:
        if options.check:
            parser.error("--check does not work with --small, whose figures mean nothing")
        options.rounds = 1
    if options.readme and (options.small or options.only or options.sides):
        parser.error("--readme needs the figures of all workloads and servers")
    if options.before and not os.access(options.before, os.X_OK):
        parser.error(f"--before: {options.before} is not a program")
    return options


def chosen(text: str | None, known: dict, what: str) -> list:
    """The values whose names are in a list separated by commas, or all values if there is no list."""
    names = text.split(",") if text else list(known)
    for name in names:
        if name not in known:
            raise SystemExit(f"Tests/bench: there is no {what} '{name}', only {', '.join(known)}")
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
    """Makes ext4 put each new folder in `work` into another part of the disk. The many files that the Flask backend
    removes while it is measured then do not slow the others down (see Side.close). Other file systems lack the flag."""
    subprocess.run(["chattr", "+T", work], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measured(
    bench: workloads.Bench, workload: workloads.Workload, sides: list, rounds: int
) -> list[dict[str, workloads.Sample]]:
    """Measures all sides in each round, starting with another one each time."""
    found = []
    for number in range(rounds):
        turn = {}
        for side in sides[number % len(sides) :] + sides[: number % len(sides)]:
            bench.settle()
            print(f"{workload.name} {number + 1}/{rounds} {side.title}", file=sys.stderr, flush=True)
            sample = workload.run(bench, side)
            if side.is_right and (sample.wrong or sample.failures):
                raise SystemExit(f"{workload.name}, {side.title}: {sample.wrong} files differ from what was sent, "
                                 f"{sample.failures} requests failed")
            turn[side.name] = sample
        found.append({side.name: turn[side.name] for side in sides})
    return found


def main() -> int:
    # On a signal, the exit stops the processes that were started and removes the files.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    options = arguments()
    known = {each.name: each for each in (workloads.small() if options.small else workloads.full())}
    if options.list:
        for workload in known.values():
            print(f"{workload.name}  {workload.title} ({'; '.join(SIDES[name].title for name in workload.sides)})")
        return 0
    wanted = chosen(options.only, known, "workload")
    sides = chosen(options.sides, MEASURED, "side")
    if options.before:
        Before.executable = options.before
        sides.append(Before)
    disk = (options.disk or options.work).resolve()
    if measure.file_system(disk) in ("tmpfs", "ramfs"):
        raise SystemExit(f"Tests/bench: {disk} is in memory; the measurement needs a disk")
    output = options.output or options.work
    output.mkdir(parents=True, exist_ok=True)
    if not options.small:
        minutes = options.rounds * sum(each.estimate for each in wanted) / 60
        print(f"This takes about {minutes:.0f} minutes on two idle processors.", flush=True)

    results = report.Results(machine(disk))
    with contextlib.ExitStack() as stack:
        # --small does without: it would take longer than the measurement.
        touches = not options.small and not stack.enter_context(measure.kept_memory())
        work = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="files.", dir=disk)))
        spread_folders(work)
        pool = plan.Pool(options.work / "pool")
        bench = workloads.Bench(
            plan.Load(options.tools / "load", pool, options.work), work, options.tools,
            settles=not options.small, touches=touches)
        for workload in wanted:
            present = [side for side in sides if side.name in workload.sides
                       or side is Before and "ours" in workload.sides]
            if not present:
                continue
            print(f"\n{results.add(workload, measured(bench, workload, present, options.rounds))}", flush=True)
            # Saved after each workload, so that an interruption loses only the current one.
            results.save(output)
    # The import takes a second.
    import chart

    chart.draw(results.summaries, output / "results.svg")
    verdicts = results.verdicts()
    if not options.small:
        for line, is_met in verdicts:
            print(f"{'met   ' if is_met else 'MISSED'} {line}")
    print(f"The results are in {output}: results.md, results.json and results.svg.")
    if options.readme:
        readme.write(results.summaries)
    return 1 if options.check and not all(is_met for _, is_met in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
