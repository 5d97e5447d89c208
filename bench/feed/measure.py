#!/usr/bin/env python3
"""The served feed over a lake of five million activities: pages, filters, a walk, pollers.

    bench/feed/measure.py [--rows 5000000] [--requests 200] [--seconds 60] [--lake DIRECTORY]

Makes a lake with the simulator (2,000 people, every catalogue type) and `auditlake import`, serves it with `auditlake run` under a
key of its own, and asks it over HTTP with the example `feed_bench`. Everything lies in a temporary directory, some 450 MB, and
is removed; with --lake it is kept there and taken as it is the next time.
"""
import argparse, json, os, pathlib, signal, subprocess, sys, tempfile, time, urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/auditlake-target"))
PROGRAM = TARGET / "debug/auditlake"

def cargo(*words):
    subprocess.run(["cargo", "build", "--quiet", *words], cwd=ROOT, check=True, env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)})

def fill(lake, rows):
    corpus = subprocess.Popen([TARGET / "debug/examples/corpus", str(rows), "2000"], stdout=subprocess.PIPE)
    imported = subprocess.run([PROGRAM, "--data", lake, "import", "--source", "bench", "-"], stdin=corpus.stdout,
                              stdout=subprocess.PIPE, check=True)
    if corpus.wait():
        sys.exit("the corpus broke off")
    print(json.loads(imported.stdout)["new"], "activities,", (lake / "lake.duckdb").stat().st_size >> 20, "MB")

def settle(pid, url, key):
    """Waits until the first commit (the record of this request) has had detection read what it needs of the past."""
    urllib.request.urlopen(urllib.request.Request(url + "/v1/compliance/activities?limit=1", headers={"x-api-key": key})).read()
    spent = lambda: sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    began = time.monotonic()
    before, now = 0, spent()
    while now - before > 6:
        time.sleep(2)
        before, now = now, spent()
    print(f"the service was busy with the past for {time.monotonic() - began:.0f} s")

def measure(lake, asked):
    key = subprocess.run([PROGRAM, "--data", lake, "keys", "create", "--name", "bench"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
    # The default budget of 6,000 requests a minute would be the bottleneck.
    limits = {"AUDITLAKE_FEED_REQUESTS_PER_MINUTE": "1000000"}
    service = subprocess.Popen([PROGRAM, "--data", lake, "run", "--port", "0"], env={**os.environ, **limits},
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = service.stdout.readline().strip()
        settle(service.pid, url, key)
        print(os.cpu_count(), "cores, load average", " ".join(f"{load:.1f}" for load in os.getloadavg()))
        subprocess.run([TARGET / "debug/examples/feed_bench", "--url", url, "--requests", str(asked.requests),
                        "--seconds", str(asked.seconds)], env={**os.environ, "FEED_KEY": key}, check=True)
        status = pathlib.Path(f"/proc/{service.pid}/status")
        if status.exists():
            peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
            print(f"peak memory of the service: {int(peak.split()[1]) >> 10} MB")
        print("load average", " ".join(f"{load:.1f}" for load in os.getloadavg()))
    finally:
        service.send_signal(signal.SIGTERM)
        service.wait()

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--lake", type=pathlib.Path)
    asked = parser.parse_args()
    cargo("-p", "simulate", "-p", "auditlake", "--example", "corpus")
    cargo("-p", "auditlake", "--bin", "auditlake", "--example", "feed_bench")
    with tempfile.TemporaryDirectory() as directory:
        lake = asked.lake or pathlib.Path(directory) / "lake"
        if not (lake / "lake.duckdb").exists():
            fill(lake, asked.rows)
        measure(lake, asked)

main()
