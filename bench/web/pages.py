#!/usr/bin/env python3
"""Asks every page of a running service and prints its time and weight.

    bench/web/pages.py http://127.0.0.1:8080 [--times 30] [--only WORD]

For each page two rows of figures. Cold: each request asks what none has asked before (another stretch of time, filter, person
or activity), so nothing that is remembered helps. Warm: the same address again and again. Both as p50, p95 (nearest rank) and
the worst, one request after the other. Then the size as a browser gets it (gzip), in kB; what is embedded (styles, scripts) is
counted once, at the end: a page's weight is its own plus that. Exits 1 if a page is above the bounds (150 ms at p95, cold or
warm; 500 kB).
"""
import argparse, gzip, html, math, re, sys, time, urllib.error, urllib.parse, urllib.request
from datetime import datetime, timedelta, timezone

BOARDS = "overview admin-sso-streams recent sso keys compliance-api identity data projects connectors claude-code settings billing clients".split()
FILTERS = ["outcome:failure", "category:chats", "category:authentication", "type:*_created", "type:*_viewed", "read_only:false",
           "-type:compliance_api_accessed", "actor_type:user_actor", "user_agent:*", "category:api_keys", "client:*", "country:DE"]
MOST_MS, MOST_KB = 150, 500


def get(base, path):
    request = urllib.request.Request(base + path, headers={"accept-encoding": "gzip"})
    begin = time.perf_counter()
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        sys.exit(f"error: {path}: status {error.code}")
    return (time.perf_counter() - begin) * 1000, body


def text(body):
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()


def links(base, path, pattern):
    """What the pattern finds in the links of a page, each once, in their order."""
    found = re.findall(r'href="' + pattern + r'"', text(get(base, path)[1]))
    return list(dict.fromkeys(html.unescape(one) for one in found))


class Times:
    """Stretches of time that nobody has asked for: 30 days with another minute at both ends."""

    def __init__(self, newest):
        self.newest, self.count = newest, 0

    def next(self):
        self.count += 1
        until = self.newest - timedelta(minutes=7 * self.count)
        since = until - timedelta(days=30, seconds=self.count)
        return f"since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"


def kinds(base, times):
    """The pages: a name, an address to ask again and again, and what makes another address of it; `None` if nothing can."""
    quote = lambda value: urllib.parse.quote(value, safe="")
    at = lambda path, joint="?": lambda turn: path + joint + times.next()
    filtered = lambda path: lambda turn: f"{path}?q={quote(FILTERS[turn % len(FILTERS)])}&{times.next()}"
    list = [("/", "/", at("/")), ("/explore", "/explore", at("/explore")), ("/explore with a filter", "/explore?q=outcome:failure&range=30d", filtered("/explore")),
            ("/explore, everything", "/explore?range=all", None), ("/explore/facets", "/explore/facets", filtered("/explore/facets")),
            ("/explore/complete", "/explore/complete?q=actor:a&at=7", lambda turn: f"/explore/complete?q=actor:{chr(97 + turn % 26)}{turn // 26 or ''}&at=7"),
            ("/dashboards", "/dashboards", None),
            ("/posture", "/posture", lambda turn: f"/posture?at={(times.newest - timedelta(hours=turn + 1)):%Y-%m-%dT%H:%M:%SZ}"),
            ("/alerts", "/alerts", None), ("/rules", "/rules", None), ("/sources", "/sources", None), ("/sql", "/sql", None)]
    list += [(f"/dashboards/{name}", f"/dashboards/{name}", at(f"/dashboards/{name}")) for name in BOARDS]
    # The values that occur most, which are those that cost most, and as many others as the newest activities name.
    shown = "/explore?range=all&rows=2000&q=-type:compliance_api_accessed"
    activities = links(base, shown, r'/explore\?[^"]*?open=([^"&]+)')
    related = [links(base, f"/activity/{one}", r'(/(?:person|address|key|organization|resource)/[^"]+)') for one in activities[:80]]
    things = links(base, "/", r'(/(?:person|key)/[^"]+)') + [one for some in related for one in some]
    for name in ("person", "address", "key", "organization", "resource"):
        own = [one for one in dict.fromkeys(things) if one.startswith(f"/{name}/")]
        # The page, and the parts of it that it asks for by itself.
        for part in ("", "/things", "/neighbours") if own else ():
            if name != "key" or part != "/neighbours":
                list.append((f"/{name}/…{part}", own[0] + part, lambda turn, own=own, part=part: own[turn % len(own)] + part + "?" + times.next()))
    if activities:
        for tail in ("", "/panel"):
            another = lambda turn, tail=tail: f"/activity/{activities[(turn + 1) % len(activities)]}{tail}"
            list.append((f"/activity/…{tail}", f"/activity/{activities[0]}{tail}", another))
    return list


def rank(times, share):
    return sorted(times)[math.ceil(share * len(times)) - 1]


def figures(times):
    return f"{rank(times, 0.5):8.1f} {rank(times, 0.95):8.1f} {max(times):8.1f}" if times else f"{'':26}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("--only", default="", help="only pages with this in their names")
    asked = parser.parse_args()
    base = asked.base.rstrip("/")
    newest = re.search(r'<time title="[^"]*"', text(get(base, "/explore?range=all")[1]))
    date = re.search(r"(\d+ \w+ \d{4}), (\d\d:\d\d:\d\d)", newest[0]) if newest else sys.exit("error: there is no activity")
    newest = datetime.strptime(f"{date[1]} {date[2]}", "%d %B %Y %H:%M:%S").replace(tzinfo=timezone.utc)
    assets = sorted(set(re.findall(r'(?:src|href)="(/assets/[^"#]+)', text(get(base, "/")[1]))))
    extra = sum(len(get(base, path)[1]) for path in assets) / 1000
    slow, all_cold, all_warm = 0, [], []
    head = f"{'p50':>8} {'p95':>8} {'worst':>8}"
    print(f"{'':30} {'cold, ms':>26} {'warm, ms':>26}\n{'page':30} {head} {head} {'kB':>7}")
    for name, path, another in kinds(base, Times(newest)):
        if asked.only not in name:
            continue
        cold = [get(base, another(turn))[0] for turn in range(asked.times)] if another else []
        size = len(get(base, path)[1]) / 1000
        warm = [get(base, path)[0] for _ in range(asked.times)]
        over = [what for what, times in (("cold", cold), ("warm", warm)) if times and rank(times, 0.95) > MOST_MS]
        over += ["weight"] if size + extra > MOST_KB else []
        slow += bool(over)
        all_cold += cold
        all_warm += warm
        print(f"{name[:30]:30} {figures(cold)} {figures(warm)} {size:7.1f}{'  above the bounds: ' + ', '.join(over) if over else ''}")
    print(f"{'all':30} {figures(all_cold)} {figures(all_warm)}")
    print(f"assets, once: {extra:.1f} kB in {len(assets)} files")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
