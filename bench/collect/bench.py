#!/usr/bin/env python3
"""Collecting from a feed: speed beside a plain sequential reader, freshness under load, memory over millions.

    bench/collect/bench.py speed     [--people 3000] [--days 40]
    bench/collect/bench.py freshness [--people 5000] [--days 40] [--seconds 90] [--interval 5]
    bench/collect/bench.py memory    [--people 4500] [--days 90]

The feed is `auditlake simulate`, a process of its own. See README.md beside this file for what is measured and how.
"""
import argparse, datetime, json, os, pathlib, subprocess, sys, tempfile, threading, time, urllib.error, urllib.parse, urllib.request

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/auditlake-target"))
BINARY = pathlib.Path(os.environ.get("AUDITLAKE", TARGET / "debug/auditlake"))
# Nothing stands between: no proxy of the environment.
urllib.request.install_opener(urllib.request.build_opener(urllib.request.ProxyHandler({})))


def processor_seconds(process):
    """Processor time that a child has used so far."""
    fields = open(f"/proc/{process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def threads(process):
    """The same by the names of its threads: `tokio-…` takes in and writes, `detection` runs rules, the program's own name is the engine's."""
    used = {}
    for stat in pathlib.Path(f"/proc/{process.pid}/task").glob("*/stat"):
        try:
            head, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        fields, name = rest.split(), head.split("(", 1)[1]
        used[name] = used.get(name, 0) + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return sorted(used.items(), key=lambda pair: -pair[1])


class Feed:
    def __init__(self, *words):
        self.process = subprocess.Popen([BINARY, "simulate", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[1]
        self.key = self.process.stdout.readline().split()[1]

    def page(self, **query):
        request = urllib.request.Request(f"{self.url}/v1/compliance/activities?{urllib.parse.urlencode(query)}", headers={"x-api-key": self.key})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def end(self):
        self.process.terminate()
        self.process.wait()


class Service:
    """`auditlake run` over a feed, and its API."""

    def __init__(self, feed, directory, **settings):
        self.data = directory / "data"
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
        source = ["[[source]]", 'name = "bench"', f'base_url = "{feed.url}"', f'key = "{feed.key}"', *lines]
        config = directory / "auditlake.toml"
        config.write_text("\n".join(source) + "\n")
        self.started = time.time()
        words = [BINARY, "--config", config, "--data", self.data, "run", "--port", "0"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=open(directory / "log", "w"), text=True)
        self.process.stdout.readline()
        self.log = directory / "log"
        told = json.loads((self.data / "service.json").read_text())
        self.url, self.token = told["url"], told["token"]

    def sql(self, text):
        body = json.dumps({"sql": text, "params": {}}).encode()
        headers = {"authorization": f"Bearer {self.token}", "content-type": "application/json", "accept": "application/x-ndjson"}
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/api/v1/sql", body, headers), timeout=300) as answer:
            return [json.loads(line) for line in answer.read().splitlines()]

    def metric(self, name):
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((name + " ", name + "{")))

    def rss(self):
        """Resident memory in MB: all of it, and the part that is the process's own."""
        fields = dict(line.split(":", 1) for line in open(f"/proc/{self.process.pid}/status") if line.startswith(("VmRSS", "RssAnon")))
        return [int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]

    def has_past(self):
        if self.process.poll() is not None:
            sys.exit(f"the service ended:\n{self.log.read_text()}")
        return "the past is here" in self.log.read_text()

    def end(self):
        self.process.terminate()
        self.process.wait()


def sequential(feed, seconds):
    """What a plain reader does: a page, its last_id, the next page. Activities a second."""
    started, count, cursor = time.time(), 0, {}
    while time.time() - started < seconds:
        page = feed.page(limit=5000, **cursor)
        count += len(page["data"])
        if not page["has_more"]:
            break
        cursor = {"after_id": page["last_id"]}
    return count / (time.time() - started)


def speed(args, directory):
    feed = Feed("--frozen", "--people", args.people, "--days", args.days, "--rate-limit", 600, "--fault", "slow=100%:300ms")
    plain = sequential(feed, 30)
    print(f"sequential reader: {plain:,.0f} activities/s", flush=True)
    # Its requests are of the minute that the service begins with, else.
    time.sleep(60)
    feed_before = processor_seconds(feed.process)
    service = Service(feed, directory, leave_percent=0, backfill_from=f"{args.days + 1}d")
    while not service.has_past():
        time.sleep(0.2)
    seconds = time.time() - service.started
    used, by_threads = (processor_seconds(service.process), processor_seconds(feed.process) - feed_before), threads(service.process)
    count = service.sql("select count(*) as n from activities")[0]["n"]
    refused = service.sql("select count(*) as n from ledger where kind = 'error' and detail->>'status' = '429'")[0]["n"]
    pages = service.sql("select count(*) as n from ledger where kind = 'page'")[0]["n"]
    rate = count / seconds
    print(f"auditlake: {count:,} activities in {seconds:.1f} s, stored and queryable: {rate:,.0f}/s, {pages} pages of {count / pages:,.0f} on average, {refused} answers 429")
    print(f"of 50,000/s that the budget allows: {rate / 50_000:.1%}; ratio to the sequential reader: {rate / plain:.1f}")
    print("processor time an activity: %.1f us collecting, %.1f us simulating the feed; %d processors" % (*(part / count * 1e6 for part in used), os.cpu_count()))
    print("of the service's, by threads: " + ", ".join(f"{name} {part / count * 1e6:.1f} us" for name, part in by_threads))
    service.end()
    feed.end()


def freshness(args, directory):
    feed = Feed("--people", args.people, "--days", args.days, "--rate-limit", 600)
    service = Service(feed, directory, interval_seconds=args.interval, backfill_from=f"{args.days + 1}d")
    answered, asked, running = {}, [], True

    def lake():
        last = None
        while running:
            where = "order by seq desc limit 1000" if last is None else f"where seq > {last} and eventTime > now()::timestamp - interval '5 minutes'"
            rows = service.sql(f"select seq, eventID from activities {where}")
            at = time.time()
            for row in rows:
                answered.setdefault(row["eventID"], at)
            last = max([row["seq"] for row in rows], default=last)
            time.sleep(0.1)

    def load():
        while running:
            begun = time.time()
            service.sql("select eventName, outcome, count(*) as n from activities group by 1, 2 order by 3 desc limit 10")
            asked.append(time.time() - begun)

    threads = [threading.Thread(target=work, daemon=True) for work in (lake, load)]
    for thread in threads:
        thread.start()
    # The first look, at everything that was there before, is none of what is measured.
    time.sleep(args.interval + 2)
    begun = time.time()
    time.sleep(args.seconds)
    until, is_busy = time.time(), not service.has_past()
    time.sleep(args.interval + 10)
    running = False
    for thread in threads:
        thread.join(60)
    # The simulator shows an activity at the moment at which it happens.
    text = lambda at: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    happened = {a["id"]: datetime.datetime.fromisoformat(a["created_at"]).timestamp() for a in feed.page(limit=5000, **{"created_at.gte": text(begun), "created_at.lt": text(until)})["data"]}
    known = sorted(answered.get(name, float("inf")) - at for name, at in happened.items())
    if not known:
        sys.exit("nothing happened")
    point = lambda share: known[min(len(known) - 1, int(len(known) * share))]
    print(f"{len(known)} activities; interval {args.interval} s; from the moment at which an activity can be read upstream to a query that shows it: "
          f"p50 {point(.5):.2f} s, p99 {point(.99):.2f} s, most {known[-1]:.2f} s (asked every 0.1 s)")
    print(f"meanwhile: {service.metric('auditlake_activities_new_total'):,.0f} activities of the past were read "
          f"({'all the time' if is_busy else 'the past was there before the end: more --days'}), and {len(asked)} queries over all of it were answered, {sum(asked) / len(asked):.2f} s each")
    service.end()
    feed.end()


def memory(args, directory):
    feed = Feed("--frozen", "--people", args.people, "--days", args.days, "--rate-limit", 1000000)
    service = Service(feed, directory, leave_percent=0, requests_per_minute=1000000, backfill_from=f"{args.days + 1}d")
    step, most = 0, 0
    while True:
        is_done = service.has_past()
        count, (rss, own) = service.metric("auditlake_activities_new_total"), service.rss()
        most = max(most, rss)
        if count >= step or is_done:
            print(f"{count:>12,.0f} activities  {rss:8,.0f} MB resident, {own:8,.0f} MB of it the process's own", flush=True)
            step = count + args.step
        if is_done:
            break
        time.sleep(1)
    seconds = time.time() - service.started
    print(f"most: {most:,.0f} MB; {count / seconds:,.0f} activities/s")
    service.end()
    feed.end()


words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
kinds = words.add_subparsers(dest="kind", required=True)
for name, work, defaults in [
    ("speed", speed, {"people": 3000, "days": 40}),
    ("freshness", freshness, {"people": 5000, "days": 40, "seconds": 90, "interval": 5}),
    ("memory", memory, {"people": 4500, "days": 90, "step": 500_000}),
]:
    kind = kinds.add_parser(name)
    kind.set_defaults(work=work)
    for option, value in defaults.items():
        kind.add_argument(f"--{option}", type=int, default=value)
args = words.parse_args()
with tempfile.TemporaryDirectory(prefix="auditlake-bench-") as directory:
    args.work(args, pathlib.Path(directory))
