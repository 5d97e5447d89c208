#!/usr/bin/env python3
"""Walks a feed with clients that others wrote for Anthropic's, and compares what they got with the truth.

    pip install anthropic claude-compliance-sdk
    auditlake simulate --frozen --truth truth.jsonl     # prints URL and KEY
    FEED_KEY=KEY bench/feed/foreign_client.py URL truth.jsonl

TRUTH is a file of activities, a line each: a simulation's truth file, or what `auditlake search --format jsonl` writes. Clients:
`claude-compliance-sdk` (a community's, written for this very feed, GPL-3.0, its synchronous and its asynchronous half) and
`anthropic` (Anthropic's own SDK, with its cursor pages). Neither knows of Auditlake: each is given an address and a key, nothing
else. Exit code 1 if any of them gets other activities, or any twice, or in another order.
"""
import argparse, asyncio, calendar, json, os, sys, time

LIMIT = 1000

def truth_of(file):
    """(id, type, user, microseconds) of every activity, newest first, ties by id, as the feed orders them."""
    rows = []
    for line in open(file, encoding="utf-8"):
        row = json.loads(line)
        # `auditlake search` writes columns; the activity itself is one of them.
        row = json.loads(row["rawLog"]) if "rawLog" in row else row.get("activity", row)
        rows.append((row["id"], row["type"], (row.get("actor") or {}).get("user_id"), microseconds(row["created_at"])))
    rows.sort(key=lambda row: (row[3], row[0].encode()), reverse=True)
    return rows

def microseconds(text):
    """Of a time in UTC, since 1970; finer digits dropped."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) * 1_000_000 + int(fraction[:6].ljust(6, "0"))

def community(url, key, **filters):
    from claude_compliance_sdk import ComplianceClient
    with ComplianceClient(api_key=key, base_url=url) as client:
        return [activity.id for activity in client.activities.iter(limit=LIMIT, **filters)]

def community_async(url, key, **filters):
    from claude_compliance_sdk import AsyncComplianceClient
    async def walk():
        async with AsyncComplianceClient(api_key=key, base_url=url) as client:
            return [activity.id async for activity in client.activities.iter(limit=LIMIT, **filters)]
    return asyncio.run(walk())

def anthropic(url, key, **filters):
    from anthropic import Anthropic
    from anthropic.pagination import SyncPage
    Activity = dict[str, object]
    client = Anthropic(base_url=url, default_headers={"x-api-key": key})
    options = {"params": {"limit": LIMIT, **filters}}
    return [activity["id"] for activity in client.get_api_list("/v1/compliance/activities", page=SyncPage[Activity],
                                                               model=Activity, options=options)]

def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("truth")
    asked = parser.parse_args()
    key = os.environ["FEED_KEY"]
    rows = truth_of(asked.truth)
    kinds = {row[1] for row in rows}
    person = next(row[2] for row in rows if row[2])
    rare = sorted(kinds)[0]
    cases = [
        ("everything", {}, lambda row: True),
        ("oldest first", {"order": "asc"}, lambda row: True),
        (f"type {rare}", {"activity_types": [rare]}, lambda row: row[1] == rare),
        ("one person", {"actor_ids": [person]}, lambda row: row[2] == person),
    ]
    is_good = True
    for name, client in [("claude-compliance-sdk", community), ("the same, asynchronous", community_async), ("anthropic", anthropic)]:
        for what, filters, belongs in cases:
            started = time.time()
            found = client(asked.url, key, **filters)
            seconds = time.time() - started
            in_order = [row[0] for row in rows if belongs(row)]
            if "order" in filters:
                in_order.reverse()
            expected = set(in_order)
            # What other clients left behind while this one walked is no part of the truth.
            known = {row[0] for row in rows}
            own = [one for one in found if one not in known]
            is_ordered = [one for one in found if one in known] == in_order
            missing, extra = len(expected - set(found)), len(set(found) & known - expected)
            twice = len(found) - len(set(found))
            is_good &= is_ordered and not (missing or extra or twice)
            print(f"{name}, {what}: {len(found)} activities in {seconds:.1f} s, of the truth's {len(expected)} missing {missing}, "
                  f"extra {extra}, twice {twice}, new since {len(own)}, {'in order' if is_ordered else 'IN ANOTHER ORDER'}")
    sys.exit(0 if is_good else 1)

main()
