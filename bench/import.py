#!/usr/bin/env python3
"""Import, side by side with DuckDB's own read_json, in one run.

    bench/import.py [--rows 1000000] [--runs 3] [--file FILE]

Makes a corpus with the simulator (every catalogue type, base62 ids), imports it with `auditlake import` (46 columns, exactly
once, ledger) and loads the same file with DuckDB's own JSON reader into a table of ten plain columns and the raw text, as
somebody would who has only DuckDB (`pip install duckdb`, the vendor's build of the same version), in two ways. Each run is a process of its own into
a fresh place; the figures are medians. A second corpus of a tenth of the rows shows whether memory grows with the file.
"""
import argparse, os, pathlib, shutil, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/auditlake-target"))
BINARY = TARGET / "debug/auditlake"

DUCKDB = r"""
import duckdb, sys
file, place, way = sys.argv[1:]
c = duckdb.connect()
c.execute(f"attach '{place}' as lake (storage_version 'latest')")
c.execute('''create table lake.activity (id varchar, created_at timestamp, type varchar, organization_id varchar, actor_type varchar,
    email varchar, user_id varchar, ip varchar, user_agent varchar, api_key varchar, raw varchar using compression zstd)''')
paths = ["id", "created_at", "type", "organization_id", "actor.type", "actor.email_address", "actor.user_id", "actor.ip_address",
         "actor.user_agent", "actor.api_key_id"]
objects = f"read_json_objects('{file}', format = 'newline_delimited')"
if way == "plain":
    # What the manual shows: a path for each column.
    c.execute("insert into lake.activity select " + ", ".join(f"json ->> '$.{path}'" for path in paths) + f", json from {objects}")
else:
    # What somebody who knows it well writes: one pass over the JSON for all columns.
    shape = '''{"id":"VARCHAR","created_at":"TIMESTAMP","type":"VARCHAR","organization_id":"VARCHAR","actor":{"type":"VARCHAR",
        "email_address":"VARCHAR","user_id":"VARCHAR","ip_address":"VARCHAR","user_agent":"VARCHAR","api_key_id":"VARCHAR"}}'''
    c.execute("insert into lake.activity select " + ", ".join(f"a.{path}" for path in paths) + f", json from (select json, from_json(json, '{shape}') as a from {objects})")
c.execute("checkpoint lake")
c.close()
"""

def timed(command):
    """Seconds, seconds of processor time and peak memory (MB) of a command."""
    started = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{command[0]} failed")
    return time.time() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024

def ours(file, place):
    *measured, = timed([BINARY, "-q", "--data", place, "import", file])
    return *measured, (place / "lake.duckdb").stat().st_size

def duckdb(way):
    def work(file, place):
        place.mkdir()
        *measured, = timed([sys.executable, "-c", DUCKDB, str(file), str(place / "plain.duckdb"), way])
        return *measured, (place / "plain.duckdb").stat().st_size
    return work

def corpus(rows, directory):
    file = directory / f"{rows}.jsonl"
    command = ["cargo", "run", "--quiet", "-p", "simulate", "--example", "corpus", "--", str(rows)]
    subprocess.run(command, cwd=ROOT, check=True, stdout=open(file, "wb"), env={**os.environ, "CARGO_TARGET_DIR": str(TARGET)})
    return file

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--file", type=pathlib.Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        file = asked.file or corpus(asked.rows, directory)
        rows = sum(1 for _ in open(file, "rb"))
        print(f"{rows:,} activities, {file.stat().st_size / rows:.0f} bytes each, {os.cpu_count()} cores\n")
        works = {"auditlake import": ours, "DuckDB, a path a column": duckdb("plain"), "DuckDB, one pass": duckdb("one pass")}
        results = {name: [] for name in works}
        for run in range(asked.runs):
            # In turns, so that whatever else the machine does meets both.
            for name, work in works.items():
                place = directory / f"place-{run}-{len(results[name])}-{name[:12].replace(' ', '')}"
                results[name].append(work(file, place))
                shutil.rmtree(place)
        print("| | activities/s | processor s/million | bytes/activity | peak memory |\n| --- | --- | --- | --- | --- |")
        rates = {}
        for name, runs in results.items():
            seconds, processor, memory, size = (statistics.median(run[at] for run in runs) for at in range(4))
            rates[name] = rows / seconds
            print(f"| {name} | {rates[name]:,.0f} | {processor / rows * 1e6:.2f} | {size / rows:.1f} | {memory:,.0f} MB |")
        for name in list(works)[1:]:
            print(f"\nratio to {name}: {rates['auditlake import'] / rates[name]:.2f}")
        if not asked.file:
            small = corpus(asked.rows // 10, directory)
            _, _, memory, _ = ours(small, directory / "small")
            print(f"peak memory with a tenth of the rows: {memory:,.0f} MB")

main()
