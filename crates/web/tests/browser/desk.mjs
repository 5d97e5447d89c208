// What people do beside searching: alerts, rules, sources, settings, look-ups, pages about one thing; and what they see when no
// answer comes. As in journeys.mjs.

import assert from "node:assert/strict";
import { until } from "./browser.mjs";

const count = (text) => Number(text.replaceAll(",", "").match(/\d+/)[0]);

export const desk = {
  async "an alert is acknowledged, and closed with a note"(page) {
    await page.goto("/alerts");
    const open = count(await page.textContent(".tabs [aria-current]"));
    assert.ok(open > 0, "the demo has alerts");
    await page.click(".inbox .what > a");
    await page.waitForSelector("#history:has-text('Open')");
    await page.click("button:has-text('Acknowledge')");
    await page.waitForSelector("#history:has-text('Acknowledged')");
    page.excused = /status of 422/;
    await page.click(".deal button:has-text('Close')");
    await page.waitForSelector("[role=alert].trouble");
    await page.fill("#note", "it was a test");
    await page.click(".deal button:has-text('Close')");
    await page.waitForSelector("#history:has-text('Closed')");
    assert.match(await page.textContent(".changes"), /it was a test/);
    await page.click(".back a");
    await page.waitForSelector(".tabs");
    assert.ok(count(await page.textContent(".tabs [aria-current]")) < open + 1);
    await page.click(".tabs a:has-text('Closed')");
    await page.waitForSelector(".inbox .state.closed");
  },

  async "a rule is switched off and on, and all of it is kept"(page) {
    await page.goto("/rules");
    await page.click(".rule-list .what > a");
    for (const [reason, state] of [["too loud", "It is off"], ["tuned", "It runs"]]) {
      await page.fill("#reason", reason);
      await page.click("button:has-text('Switch o')");
      await page.waitForSelector(`#switch:has-text('${state}')`);
    }
    await page.click(".history summary");
    assert.match(await page.textContent(".history"), /switched off by .*too loud/);
  },

  async "a rule is tried on the past"(page) {
    await page.goto("/rules?show=fired");
    await page.click(".rule-list .what > a");
    await page.click("#trial button:has-text('7 days')");
    await page.waitForSelector("#trial [role=status] .big", { timeout: 60_000 });
  },

  async "sources say what was read, and what nobody knows"(page) {
    await page.goto("/");
    await page.click("#whole h2 a");
    await page.waitForSelector(".source-card");
    assert.ok((await page.locator(".ledger tbody tr").count()) > 0, "the ledger has entries");
    assert.equal(await page.locator("#unread").count(), 1);
    const chip = page.locator("#drift ~ * .chips li").or(page.locator(".drift .chips li")).first();
    if ((await chip.count()) === 0) return;
    const told = count(await chip.locator(".muted").textContent());
    await chip.locator("a").click();
    await page.waitForSelector("#chart .count");
    assert.ok(count(await page.textContent("#chart .count")) >= told, "as many as the page before has said");
  },

  async "settings are read"(page) {
    await page.goto("/settings");
    const said = await page.textContent("main");
    for (const part of ["DuckDB in lake.duckdb", "TLS", "Metrics are read by"]) assert.ok(said.includes(part), part);
  },

  async "what is looked up is written down"(page) {
    const word = `lookedup${Date.now()}`;
    await page.goto(`/explore?q=${word}`);
    await page.waitForSelector(".nothing");
    const isThere = async () => {
      await page.goto(`/lookups?q=${word}`);
      return (await page.locator(".lookups li").count()) > 0;
    };
    const end = Date.now() + 15_000;
    while (!(await isThere())) assert.ok(Date.now() < end, "it is written down within seconds");
    await page.click(".lookups .what > a");
    await page.waitForURL(new RegExp(word));
  },

  async "a person's page has the numbers of the Explorer, and leads on"(page) {
    await page.goto("/");
    await page.click("#lists a[href^='/person/']");
    const tile = page.locator(".tiles .card:has(dt:has-text('Changes')) .big");
    const told = (await tile.textContent()).trim();
    await tile.click();
    await page.waitForSelector("#chart .count");
    assert.equal((await page.textContent("#chart .count")).trim(), told);
    await page.goBack();
    await page.click("main a[href^='/address/']");
    await page.waitForSelector("h1");
    assert.match(page.url(), /\/address\//);
  },

  async "an activity that does not come is said so, and comes when tried again"(page) {
    page.excused = /ERR_FAILED|status of 500|500 of|htmx:/;
    await page.goto("/explore?q=category:chats");
    await page.waitForSelector("#facets section");
    await page.route("**/panel", (route) => route.abort());
    await page.click("[data-row] [data-open]");
    await page.waitForSelector("#strip:not([hidden])");
    assert.match(await page.textContent("#strip-text"), /does not answer/);
    assert.equal(await page.locator("#detail > *").count(), 0, "nothing is left of waiting");
    await page.unroute("**/panel");
    await page.click("#strip-retry");
    await page.waitForSelector("#detail .json");
    await page.waitForSelector("#strip", { state: "hidden" });
    const error = { error: { type: "engine", message: "the disk is gone", hint: "put it back" } };
    await page.route("**/explore?*", (route) => route.fulfill({ status: 500, json: error }));
    await page.fill("#q", "outcome:failure");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#strip:not([hidden])");
    assert.match(await page.textContent("#strip-text"), /the disk is gone; put it back/);
    assert.ok((await page.locator("[data-row]").count()) > 0, "the table stays");
    await page.unroute("**/explore?*");
    await page.click("#strip-retry");
    await page.waitForURL(/q=outcome/);
  },

  async "an answer to what was asked before does not come late"(page) {
    await page.goto("/explore?q=outcome:success&range=24h");
    let release;
    const held = new Promise((done) => (release = done));
    let begun = false;
    await page.route("**/explore/live?*", async (route) => {
      begun = true;
      const answer = await route.fetch();
      await held;
      await route.fulfill({ response: answer });
    });
    await page.click("#live-switch");
    const end = Date.now() + 60_000;
    while (!begun) {
      assert.ok(Date.now() < end, "the demo goes on");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await page.fill("#q", "outcome:failure");
    await page.keyboard.press("Enter");
    await page.waitForURL(/outcome(%3A|:)failure/);
    const failures = () => [...document.querySelectorAll("#rows .badge")].every((one) => one.textContent === "failure");
    await until(page, failures);
    const answered = page.waitForResponse((answer) => answer.url().includes("success") && answer.url().includes("/live"));
    release();
    await answered;
    await page.evaluate(() => new Promise((done) => setTimeout(done, 300)));
    assert.ok(await page.evaluate(failures), "the table is of the new filter");
  },
};
