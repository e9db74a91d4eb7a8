"""What one client can do to the others of a server: attacks, and what a bystander meets meanwhile.

    python benchmarks/attack.py                  # all attacks, writes the JSON and the table
    python benchmarks/attack.py --only gsm       # one of them, and prints what came of it
    python benchmarks/attack.py --table-only     # writes the table again

Each attack goes on for some seconds, from an address of its own (127.0.0.2), against ``affekt
serve`` as it is without options. The bystander asks `/health/live` every 20 ms, and uploads 3 s of
FLAC, which a decoder must read, every half second. Attackers, bystander and server share the cores
of one machine.
"""

from __future__ import annotations

import argparse
import http.client
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from _attacks import ATTACKS
from _common import ROOT, Report, Result, processor
from _load import form_request
from _watch import processes
from serve import affekt_server, clips

REPORT = Report("attack", "benchmarks/measurements.md")
SETTLE_SECONDS = 45.0  # until what an attack has opened must be gone


def measure(options: argparse.Namespace) -> Result:
    """Attack a new server in each way."""
    from affekt.evaluation.provenance import commit, software_versions

    chosen = [options.only] if options.only else list(ATTACKS)
    found = {}
    for name in ["nothing", *chosen]:
        found[name] = attack(name, options.seconds)
        print(name, found[name], file=sys.stderr)
    return {
        "seconds": options.seconds,
        "attacks": found,
        "machine": processor(),
        "versions": software_versions(),
        "commit": commit(),
    }


def attack(name: str, seconds: float) -> Result:
    """Attack a server, and tell what a bystander meets, and what the server holds."""
    with affekt_server(None, queue=None) as (port, pid):
        bystander = Bystander(port)
        bystander.upload()  # warm
        before, stop = descriptors(pid), threading.Event()
        attacker = None
        if name != "nothing":
            script = str(ROOT / "benchmarks" / "_attacks.py")
            attacker = subprocess.Popen([sys.executable, script, name, str(port), str(seconds)])
        peak = [0]
        threads = [
            threading.Thread(target=bystander.ask_health, args=(stop,)),
            threading.Thread(target=bystander.upload_often, args=(stop,)),
            threading.Thread(target=watch_memory, args=(pid, stop, peak)),
        ]
        time.sleep(0.5)  # the attacker begins
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        stop.set()
        for thread in threads:
            thread.join()
        if attacker is not None:
            attacker.wait()
        left = descriptors(pid) - before
        until = time.monotonic() + SETTLE_SECONDS
        while left > 0 and time.monotonic() < until:
            time.sleep(0.2)
            left = descriptors(pid) - before
    return {
        "live_p99_ms": round(float(np.percentile(bystander.live, 99)), 1),
        "upload_max_ms": round(max(bystander.uploads), 1),
        "uploads": len(bystander.uploads),
        "failures": bystander.failures,
        "memory_mb": round(peak[0] / 1e6, 1),
        "descriptors_left": left,
    }


class Bystander:
    """A client that wants little, and how long it waits for that, in milliseconds."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._request = form_request(clips(1, "FLAC")[0], path="/v1/audio/emotions", port=port)
        self.live: list[float] = []
        self.uploads: list[float] = []
        self.failures = 0

    def ask_health(self, stop: threading.Event) -> None:
        """Ask whether the server lives, on a new connection each time."""
        while not stop.wait(0.02):
            begun = time.perf_counter()
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
                connection.request("GET", "/health/live")
                if connection.getresponse().status != 200:
                    self.failures += 1
                connection.close()
            except OSError:
                self.failures += 1
            self.live.append(1000 * (time.perf_counter() - begun))

    def upload_often(self, stop: threading.Event) -> None:
        """Upload again and again."""
        while not stop.wait(0.5):
            self.upload()

    def upload(self) -> None:
        """Upload a recording of 3 s, on a new connection."""
        head, _, body = self._request.partition(b"\r\n\r\n")
        kind = head.partition(b"Content-Type: ")[2].partition(b"\r\n")[0].decode()
        begun = time.perf_counter()
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            connection.request("POST", "/v1/audio/emotions", body, {"Content-Type": kind})
            if connection.getresponse().status != 200:
                self.failures += 1
            connection.close()
        except OSError:
            self.failures += 1
        self.uploads.append(1000 * (time.perf_counter() - begun))


def descriptors(pid: int) -> int:
    """Return how many descriptors a server has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def watch_memory(pid: int, stop: threading.Event, peak: list[int]) -> None:
    """Keep the most memory that a server and its decoders held; shared pages are counted once."""
    while not stop.wait(0.1):
        total = 0
        for one in processes(pid):
            try:
                lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            except OSError:  # it has just ended
                continue
            total += sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        peak[0] = max(peak[0], total)


def table(result: Result) -> str:
    """Return the result as Markdown."""
    lines = [
        "| attack | `/health/live`, 99 % ms | upload of 3 s, longest ms | memory MB | left open |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, found in result["attacks"].items():
        work = ATTACKS.get(name)
        title = (work.__doc__ or "").strip().rstrip(".") if work else "None"
        lines.append(
            f"| {title} | {found['live_p99_ms']:.0f} | {found['upload_max_ms']:.0f} "
            f"| {found['memory_mb']:.0f} | {found['descriptors_left']} |"
        )
    failures = sum(found["failures"] for found in result["attacks"].values())
    lines += [
        "",
        f"Each for {result['seconds']:g} s; {failures} of the bystander's requests were not "
        f"answered. Attackers, bystander and server together on {result['machine']}; commit "
        f"`{result['commit'][:12]}`.",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, or write the table of a stored measurement again."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    REPORT.add_options(parser)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each attack (10)")
    parser.add_argument("--only", choices=list(ATTACKS), help="one attack, not stored")
    options = parser.parse_args()
    if options.table_only:
        REPORT.show(table(REPORT.load()))
        return
    result = measure(options)
    if options.only:
        print(table(result))
        return
    REPORT.finish(result, options.out, table)


if __name__ == "__main__":
    main()
