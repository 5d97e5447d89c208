#!/usr/bin/env python3
"""Twelve questions about ten million activities: both engines through the service, beside plain tables of the same rows.

    bench/engines/twelve.py --work DIR [--rows 10000000] [--times 9] [--only duckdb|clickhouse] [--question N]

needs: pip install duckdb chdb pyarrow; a built auditlake and `corpus` (see README.md). DIR keeps what is made the first time:
`corpus.jsonl`, a data directory, the plain DuckDB file, and a directory of the ClickHouse engine with both databases.

Ours are asked as anybody asks the service: `GET /api/v1/select` or `POST /api/v1/sql`, answered in Arrow, read to the end, over a
connection that is kept. The plain
tables have the 46 columns of `anthropic_logs` in their literal types, in the order of the event time: DuckDB in the harness's process,
chDB behind the same HTTP wrapper that ours talks to. The four are asked in turns, each time in another order, as whoever comes after
four seconds of another engine's work finds no cache warm; what counts is the median. All answers to a
question must be the same rows or numbers, or the harness fails at its end. A ratio above 1.2 is marked with `!`, and fails nothing.
Each time another id and another word are asked for, as nobody looks for the same one nine times: ClickHouse remembers where a condition
was met.
"""
import argparse, datetime, http.client, json, os, pathlib, random, shutil, statistics, subprocess, sys, time, urllib.error, urllib.parse, urllib.request

import duckdb, pyarrow as pa

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", pathlib.Path.home() / ".cache/auditlake-target")) / "debug"
ASK = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# Ours may take so many times as long as a plain table.
AIM = 1.2


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def sql_time(moment):
    return "'" + moment.strftime("%Y-%m-%d %H:%M:%S") + "'"


# Each question: its name; ours as a select or as SQL; the plain tables' SQL, where {raw_has} and {raw_path} are spelt by engine.
def questions(known):
    back = lambda days: known["now"] - datetime.timedelta(days=days)
    month, page = back(30), "ORDER BY eventTime DESC, eventID DESC LIMIT 100"
    deep, day = back(180), back(100).replace(hour=0)
    day_end = day + datetime.timedelta(days=1)
    person, word, path, value = known["person"], known["word"], known["path"], known["value"]
    between = f"eventTime >= {sql_time(day)} AND eventTime < {sql_time(day_end)}"
    since = f"eventTime >= {sql_time(month)}"
    return [
        ("newest page", dict(limit=100), f"SELECT * FROM logs {page}"),
        ("deep page", dict(limit=100, until=iso(deep)), f"SELECT * FROM logs WHERE eventTime < {sql_time(deep)} {page}"),
        ("filtered page", dict(limit=100, filter=f"type:{known['type']} -email:{person}"),
         f"SELECT * FROM logs WHERE eventName = '{known['type']}' AND {{email}} IS DISTINCT FROM '{person}' {page}"),
        ("counts by type", "SELECT eventName, count(*) AS n FROM {table} GROUP BY 1 ORDER BY n DESC, 1", None),
        ("histogram by hour, 30 days",
         f"SELECT date_trunc('hour', eventTime) AS h, count(*) AS n FROM {{table}} WHERE {since} GROUP BY 1 ORDER BY 1", None),
        ("top people", "SELECT {email} AS who, count(*) AS n FROM {table} WHERE {has_email} GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20", None),
        ("distinct people by day",
         "SELECT date_trunc('day', eventTime) AS d, count(DISTINCT {email}) AS n FROM {table} WHERE {has_email} GROUP BY 1 ORDER BY 1", None),
        ("one person's year", dict(filter=f"email:{person}"),
         f"SELECT * FROM logs WHERE {{email}} = '{person}' ORDER BY eventTime DESC, eventID DESC"),
        ("raw substring in 30 days", dict(limit=100, filter=f'"{word}"', since=iso(month)),
         f"SELECT * FROM logs WHERE {since} AND {{raw_has}} {page}"),
        ("JSON path in 30 days", dict(limit=100, filter=f"raw.{path}:{value}", since=iso(month)),
         f"SELECT * FROM logs WHERE {since} AND {{raw_path}} {page}"),
        ("by id", dict(filter=f"id:{known['id']}"), f"SELECT * FROM logs WHERE eventID = '{known['id']}'"),
        # To a file of JSON lines, which `auditlake export` asks the service for.
        ("export of a day", (iso(day), iso(day_end)), f"SELECT * FROM logs WHERE {between} ORDER BY eventTime, eventID"),
    ]


class Plain:
    """What differs between the two dialects."""

    def __init__(self, known):
        self.known = known

    def spell(self, text, table):
        word, path, value = self.known["word"], self.known["path"], self.known["value"]
        return text.format(
            table=table, email="actorEmail", has_email=self.has_email,
            raw_has=self.contains.format(word), raw_path=self.json.format(path, value)).replace("FROM logs", f"FROM {table}")


class DuckWords(Plain):
    has_email, contains, json = "actorEmail IS NOT NULL", "rawLog ILIKE '%{0}%'", "json_extract_string(rawLog, '$.{0}') = '{1}'"


class ClickWords(Plain):
    has_email, contains = "actorEmail != ''", "positionCaseInsensitive(rawLog, '{0}') > 0"
    json = "JSONExtractString(rawLog, '{0}') = '{1}'"


class PlainDuck(DuckWords):
    name = "plain DuckDB"

    def __init__(self, file, known):
        super().__init__(known)
        self.engine = duckdb.connect(str(file), read_only=True)
        self.engine.execute("SET threads = 2")
        self.file = file.parent / "export.jsonl"

    def ask(self, question):
        ours, plain = question[1], question[2]
        if isinstance(ours, tuple):
            self.engine.execute(f"COPY ({self.spell(plain, 'anthropic_logs')}) TO '{self.file}' (FORMAT json)")
            return lines(self.file)
        return self.engine.sql(self.spell(plain or ours, "anthropic_logs")).to_arrow_table()


class Line:
    """A connection that is kept, as clients of either keep theirs."""

    def __init__(self, url):
        self.place = urllib.parse.urlparse(url).netloc
        self.held = None

    def ask(self, what, body=None, headers={}):
        for attempt in (0, 1):
            self.held = self.held or http.client.HTTPConnection(self.place, timeout=600)
            try:
                self.held.request("POST" if body is not None else "GET", what, body, headers)
                answer = self.held.getresponse()
                text = answer.read()
            except (http.client.HTTPException, ConnectionError):
                # The other side hangs up on who says nothing for long.
                self.held = None
                if attempt:
                    raise
                continue
            if answer.status != 200:
                sys.exit(f"{what[:200]}: {text.decode()[:600]}")
            return text


class PlainClick(ClickWords):
    name = "plain chDB"

    def __init__(self, url, file, known):
        super().__init__(known)
        self.line, self.file = Line(url), file

    def ask(self, question):
        ours, plain = question[1], question[2]
        form = "JSONEachRow" if isinstance(ours, tuple) else "ArrowStream"
        query = "/?" + urllib.parse.urlencode({"database": "plain", "default_format": form, "output_format_arrow_string_as_string": 1,
                                                "output_format_arrow_low_cardinality_as_dictionary": 0, "readonly": 1})
        if isinstance(ours, tuple):
            self.file.write_bytes(self.line.ask(query, self.spell(plain, "plain.logs").encode()))
            return lines(self.file)
        return pa.ipc.open_stream(self.line.ask(query, self.spell(plain or ours, "plain.logs").encode())).read_all()


class Ours:
    def __init__(self, name, service, file, command, words):
        self.name, self.service, self.file, self.command, self.words = name, service, file, command, words
        self.line = Line(service["url"])

    def ask(self, question):
        if isinstance(question[1], tuple):
            self.file.unlink(missing_ok=True)
            since, until = question[1]
            run(*self.command, "export", "--shape", "unified", "--since", since, "--until", until, "-o", self.file,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return lines(self.file)
        asked, headers = question[1], {"authorization": "Bearer " + self.service["token"], "accept": "application/vnd.apache.arrow.stream"}
        if isinstance(asked, dict):
            answer = self.line.ask("/api/v1/select?" + urllib.parse.urlencode(asked), None, headers)
        else:
            body = json.dumps({"sql": self.words.spell(asked, "anthropic_logs")}).encode()
            answer = self.line.ask("/api/v1/sql", body, headers | {"content-type": "application/json"})
        return pa.ipc.open_stream(answer).read_all()


def lines(file):
    """What was written, by the bytes: the number of lines."""
    with open(file, "rb") as text:
        return sum(piece.count(b"\n") for piece in iter(lambda: text.read(1 << 20), b""))


def essence(table):
    """What of an answer must be the same everywhere: ids in their order, or the numbers."""
    if isinstance(table, int):
        return [table]
    names = table.column_names
    if "rawLog" in names:
        return [str(value) for value in table.column("eventID").to_pylist()], [len(raw) for raw in table.column("rawLog").to_pylist()]
    rows = []
    for row in table.to_pylist():
        rows.append(tuple(str(int(value.replace(tzinfo=datetime.timezone.utc).timestamp())) if isinstance(value, datetime.datetime)
                          else str(int(datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.timezone.utc).timestamp()))
                          if isinstance(value, datetime.date)
                          else value.decode() if isinstance(value, bytes) else str(value) for value in row.values()))
    return rows


def run(*words, **more):
    return subprocess.run([str(word) for word in words], check=True, **more)


def prepare(work, rows, people):
    """What the questions are asked of; what is there already stays."""
    work.mkdir(parents=True, exist_ok=True)
    binary, corpus = TARGET / "auditlake", work / "corpus.jsonl"
    if not corpus.exists():
        with open(corpus.with_suffix(".part"), "wb") as out:
            run(TARGET / "examples/corpus", rows, people, stdout=out)
        corpus.with_suffix(".part").rename(corpus)
    lake, plain = work / "lake", work / "plain.duckdb"
    times = {}

    def imported(mark, *words):
        if not (work / mark).exists():
            begin = time.perf_counter()
            run(binary, *words, "import", corpus, stdout=subprocess.DEVNULL)
            times[mark] = time.perf_counter() - begin
            (work / mark).touch()

    imported("lake.done", "--data", lake)
    if not plain.exists():
        part = work / "plain.part"
        part.unlink(missing_ok=True)
        with duckdb.connect(str(part)) as engine:
            engine.execute("SET memory_limit = '6GB'; SET threads = 2")
            engine.execute(f"ATTACH '{lake}/lake.duckdb' AS lake (READ_ONLY)")
            begin = time.perf_counter()
            engine.execute("USE lake.main")
            # The views speak of times in UTC; the rows lie by event time, as a table that is appended to has them.
            engine.execute(f'CREATE TABLE "{engine.execute("SELECT database_name FROM duckdb_databases() WHERE path IS NOT NULL AND database_name != $1", ["lake"]).fetchone()[0]}".main.anthropic_logs AS SELECT * FROM lake.main.anthropic_logs')
            times["plain DuckDB"] = time.perf_counter() - begin
        part.rename(plain)
    return times


class Click:
    """The ClickHouse engine behind HTTP, over a directory."""

    def __init__(self, path):
        path.mkdir(parents=True, exist_ok=True)
        wrapper = ROOT / ".ci/tools/clickhouse-http"
        self.process = subprocess.Popen([sys.executable, wrapper, "--path", path, "--until-eof"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().split()[-1]

    def __call__(self, text, **settings):
        query = "/?" + urllib.parse.urlencode(settings)
        try:
            with ASK.open(urllib.request.Request(self.url + query, data=text.encode()), timeout=3600) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            sys.exit(error.read().decode()[:2000])

    def store(self):
        return self.url.replace("http://", "clickhouse://default@") + "/ours?compression=none"

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


TYPES = {"sourceTTL": "UInt32", "receivedAt": "DateTime", "eventTime": "DateTime64(6)", "readOnly": "Bool", "actor": "Map(String, String)",
         "tags": "Map(String, String)", "resources": "Array(String)",
         "enrichments": "Array(Tuple(data Map(String, String), name String, provider String, type String, value String))"}


def prepare_click(work, click, columns):
    """Ours by import; the plain table from Parquet that the plain DuckDB table writes."""
    times, binary = {}, TARGET / "auditlake"
    if not (work / "click.done").exists():
        begin = time.perf_counter()
        run(binary, "--data", work / "click-data", "--store", click.store(), "import", work / "corpus.jsonl", stdout=subprocess.DEVNULL)
        times["click.done"] = time.perf_counter() - begin
        (work / "click.done").touch()
    if not (work / "plain-click.done").exists():
        click("DROP DATABASE IF EXISTS plain")
        click("CREATE DATABASE plain")
        def kind(name):
            if name in TYPES:
                return TYPES[name]
            return "UInt32" if name.endswith("ASNumber") else "Float64" if name.endswith(("Latitude", "Longitude")) else "String"
        click("CREATE TABLE plain.logs (" + ", ".join(f"`{name}` {kind(name)}" for name in columns) + ") ENGINE = MergeTree ORDER BY eventTime")
        parquet = work / "plain.parquet"
        with duckdb.connect(str(work / "plain.duckdb"), read_only=True) as engine:
            engine.execute("SET memory_limit = '6GB'; SET threads = 2")
            if not parquet.exists():
                engine.execute(f"COPY anthropic_logs TO '{work}/part.parquet' (COMPRESSION zstd, ROW_GROUP_SIZE 100000)")
                (work / "part.parquet").rename(parquet)
        begin = time.perf_counter()
        click(f"INSERT INTO plain.logs SELECT * FROM file('{parquet}', 'Parquet') SETTINGS input_format_null_as_default = 1, "
              "input_format_parquet_preserve_order = 1")
        times["plain chDB"] = time.perf_counter() - begin
        parquet.unlink()
        (work / "plain-click.done").touch()
    # As after a quiet hour: what the server merges by itself is merged.
    return times


def known_of(plain):
    """A person of the middle, a type, an id, a rare word and a path, all from the data."""
    with duckdb.connect(str(plain), read_only=True) as engine:
        one = lambda text: engine.execute(text).fetchone()[0]
        now = one("SELECT max(eventTime) FROM anthropic_logs").replace(microsecond=0, tzinfo=datetime.timezone.utc)
        near = sql_time(now - datetime.timedelta(days=14))
        person = one("SELECT actorEmail FROM anthropic_logs WHERE actorEmail IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 OFFSET 400 LIMIT 1")
        kind = one("SELECT eventName FROM anthropic_logs GROUP BY 1 ORDER BY count(*) DESC, 1 OFFSET 20 LIMIT 1")
        names = engine.execute(f"SELECT eventID FROM anthropic_logs WHERE eventTime > {near} ORDER BY eventTime LIMIT 40").fetchall()
        chats = engine.execute("SELECT DISTINCT json_extract_string(rawLog, '$.claude_chat_id') AS chat FROM anthropic_logs "
                               f"WHERE eventTime > {near} AND eventTime < {near}::TIMESTAMP + INTERVAL 1 HOUR AND chat IS NOT NULL "
                               "ORDER BY chat LIMIT 40").fetchall()
        words = [chat[-12:] for (chat,) in chats]
        path, value = "mcp_server_name", "Jira"
        columns = [row[0] for row in engine.execute("DESCRIBE anthropic_logs").fetchall()]
        rows = one("SELECT count(*) FROM anthropic_logs")
    return dict(now=now, person=person, type=kind, id=names[0][0], ids=[name for (name,) in names], word=words[0], words=words, path=path,
                value=value), columns, rows


def serve(work, *words):
    """A service over a store, and what `service.json` says of it."""
    data = work / words[0]
    process = subprocess.Popen([TARGET / "auditlake", "--data", data, *words[1:], "run", "--port", "0", "--quiet"])
    for _ in range(600):
        time.sleep(0.1)
        try:
            service = json.loads((data / "service.json").read_text())
            if service.get("pid") == process.pid:
                return process, service
        except (OSError, ValueError):
            pass
        if process.poll() is not None:
            sys.exit("the service ended")
    sys.exit("the service did not start")


def settle(pid):
    """Waits until a process has read what it wants of the past."""
    spent = lambda: sum(map(int, pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]))
    before, now = -100, spent()
    while now - before > 6:
        time.sleep(2)
        before, now = now, spent()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--people", type=int, default=1100)
    parser.add_argument("--times", type=int, default=9)
    parser.add_argument("--only", choices=["duckdb", "clickhouse"])
    parser.add_argument("--question", type=int, action="append")
    asked = parser.parse_args()
    work = asked.work.resolve()
    times = prepare(work, asked.rows, asked.people)
    known, columns, rows = known_of(work / "plain.duckdb")
    click = Click(work / "click")
    started, otherwise = [], []
    try:
        times |= prepare_click(work, click, columns)
        for name, took in times.items():
            print(f"made: {name} in {took:.0f} s, {rows / took:,.0f} rows a second")
        asked_of = [PlainDuck(work / "plain.duckdb", known), PlainClick(click.url, work / "export.jsonl", known)]
        if asked.only != "clickhouse":
            process, service = serve(work, "lake")
            started.append(process)
            asked_of.append(Ours("ours, DuckDB", service, work / "export.jsonl", (TARGET / "auditlake", "--data", work / "lake"), DuckWords(known)))
        if asked.only != "duckdb":
            process, service = serve(work, "click-data", "--store", click.store())
            started.append(process)
            asked_of.append(Ours("ours, ClickHouse", service, work / "export.jsonl",
                                 (TARGET / "auditlake", "--data", work / "click-data", "--store", click.store()), ClickWords(known)))
        for process in [*started, click.process]:
            settle(process.pid)
        print(f"{rows:,} rows; {({name: str(value) for name, value in known.items() if name not in ('ids', 'words')})}; load {os.getloadavg()[0]:.1f}")
        print(f"{'question':30}" + "".join(f"{who.name:>18}" for who in asked_of) + "   ours to the plain one of the same engine (to the better one)")
        for at, question in enumerate(questions(known), 1):
            if asked.question and at not in asked.question:
                continue
            took, answers, order = {who.name: [] for who in asked_of}, {}, random.Random(at)
            for turn in range(asked.times):
                others = {name: known[name + "s"][turn % len(known[name + "s"])] for name in ("id", "word")}
                for who in asked_of:
                    getattr(who, "words", who).known = known | others
                question = questions(known | others)[at - 1]
                for who in order.sample(asked_of, len(asked_of)):
                    begin = time.perf_counter()
                    answer = who.ask(question)
                    took[who.name].append((time.perf_counter() - begin) * 1000)
                    answers.setdefault(who.name, essence(answer) if who.name not in answers else None)
            expected = answers[asked_of[0].name]
            for name, answer in answers.items():
                if answer != expected:
                    shown = lambda all: str(all)[:300]
                    otherwise.append(f"{question[0]}: {name}")
                    print(f"  {question[0]}: {name} answers otherwise:\n    {shown(answer)}\n    {shown(expected)}")
            middle = {name: statistics.median(all) for name, all in took.items()}
            better = min(middle[asked_of[0].name], middle[asked_of[1].name])
            own = {"ours, DuckDB": middle[asked_of[0].name], "ours, ClickHouse": middle[asked_of[1].name]}
            marked = lambda ratio: f"{ratio:.2f}" + ("!" if ratio > AIM else "")
            ratios = ", ".join(f"{marked(middle[who.name] / own[who.name])} ({marked(middle[who.name] / better)})" for who in asked_of[2:])
            size = len(expected[0]) if isinstance(expected, tuple) else len(expected)
            print(f"{at:2} {question[0]:27}" + "".join(f"{middle[who.name]:15.1f} ms" for who in asked_of) + f"   {ratios}   ({size} rows)", flush=True)
    finally:
        for process in started:
            process.terminate()
            process.wait(60)
        click.end()
    if otherwise:
        sys.exit("answers that differ from those of the plain DuckDB table: " + "; ".join(otherwise))


if __name__ == "__main__":
    main()
