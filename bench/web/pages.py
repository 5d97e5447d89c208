#!/usr/bin/env python3
"""Asks every page of a running service and prints its time and weight.

    bench/web/pages.py http://127.0.0.1:8080 [--times 30] [--person EMAIL] [--address IP] [--resource ID]

For each page: the first answer (nothing remembered), p50 and p95 of all, the size as a browser gets it (gzip), in kB. What
is embedded (styles, scripts) is counted once, at the end: a page's weight is its own plus that. Exits 1 if a page is
above the bounds (150 ms at p95, 500 kB).
"""
import argparse, gzip, re, sys, time, urllib.parse, urllib.request

BOARDS = "overview admin-sso-streams recent sso keys compliance-api identity data projects connectors claude-code settings billing clients"


def get(base, path):
    request = urllib.request.Request(base + path, headers={"accept-encoding": "gzip"})
    begin = time.perf_counter()
    with urllib.request.urlopen(request, timeout=120) as answer:
        body = answer.read()
    return (time.perf_counter() - begin) * 1000, body


def text(body):
    return (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body).decode()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base")
    parser.add_argument("--times", type=int, default=30)
    for name in ("person", "address", "key", "organization", "resource"):
        parser.add_argument("--" + name)
    asked = parser.parse_args()
    base = asked.base.rstrip("/")
    paths = ["/", "/explore", "/explore?range=all", "/explore?q=outcome:failure&range=30d", "/explore/facets",
             "/explore/facets?range=all", "/explore/complete?q=actor:a&at=7", "/dashboards", "/posture", "/sources", "/sql"]
    paths += [f"/dashboards/{name}" for name in BOARDS.split()]
    quote = lambda value: urllib.parse.quote(value, safe="")
    for name in ("person", "address", "key", "organization", "resource"):
        if getattr(asked, name):
            paths.append(f"/{name}/{quote(getattr(asked, name))}")
    found = re.search(r'data-id="([^"]+)"', text(get(base, "/explore?range=all")[1]))
    if found:
        paths += [f"/activity/{quote(found[1])}", f"/activity/{quote(found[1])}/panel"]
    assets = sorted(set(re.findall(r'(?:src|href)="(/assets/[^"]+)"', text(get(base, "/")[1]))))
    extra = sum(len(get(base, path)[1]) for path in assets) / 1000
    slow = 0
    print(f"{'page':52} {'first ms':>9} {'p50 ms':>8} {'p95 ms':>8} {'kB':>7}")
    for path in paths:
        times, size = [], 0
        for _ in range(asked.times):
            took, body = get(base, path)
            times.append(took)
            size = len(body) / 1000
        first, times = times[0], sorted(times)
        p50, p95 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.95))]
        over = p95 > 150 or size + extra > 500
        slow += over
        print(f"{path[:52]:52} {first:9.1f} {p50:8.1f} {p95:8.1f} {size:7.1f}{'  above the bounds' if over else ''}")
    print(f"assets, once: {extra:.1f} kB in {len(assets)} files")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
