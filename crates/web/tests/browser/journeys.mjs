// What people do on the pages, done in the browser. Each journey is told as a sentence and fails by an exception.

import assert from "node:assert/strict";
import { open, until } from "./browser.mjs";
import { desk } from "./desk.mjs";
import { login } from "./login.mjs";

const search = {
  async "the Overview follows the log"(page) {
    await page.goto("/");
    await page.waitForSelector("#live-state[data-state=live]");
    await page.click("#live-switch");
    assert.equal(await page.textContent("#live-state"), "Paused");
    assert.ok((await page.locator(".map circle").count()) > 3, "places on the map");
  },

  async "a panel leads into the Explorer with its filter"(page) {
    await page.goto("/dashboards/sso");
    const told = (await page.textContent(".tiles .card:nth-child(2) .big")).trim();
    await page.click(".tiles .card:nth-child(2) .big");
    assert.equal(await page.inputValue("#q"), "type:sso_login_failed");
    assert.equal((await page.textContent("#chart .count")).trim(), told, "the same number on both pages");
  },

  async "the filter is completed while it is written"(page) {
    await page.goto("/explore");
    await page.keyboard.press("/");
    await page.keyboard.type("outc");
    await page.waitForSelector("#offers li");
    await page.keyboard.press("Tab");
    await page.waitForSelector("#offers li:has-text('outcome:failure')");
    await page.keyboard.type("fail");
    await page.keyboard.press("Tab");
    await until(page, () => document.querySelector("#q").value.trim() === "outcome:failure");
    await page.keyboard.press("Enter");
    await page.waitForURL(/q=outcome/);
    await until(page, () => [...document.querySelectorAll("#rows .badge")].every((one) => one.textContent === "failure"));
  },

  async "an error points at the spot"(page) {
    await page.goto("/explore");
    await page.fill("#q", "outcome:failure (type:");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#wrong mark");
    assert.equal(await page.getAttribute("#q", "aria-invalid"), "true");
    await page.fill("#q", "outcome:failure");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#rows [data-row]");
  },

  async "facets narrow down, and with Alt leave out"(page) {
    await page.goto("/explore?range=30d");
    await page.click("#facet-outcome ~ ul a.only:has-text('failure')");
    await page.waitForURL(/outcome%3Afailure/);
    await page.waitForSelector("#facets li.asked");
    await page.goto("/explore?range=30d");
    await page.click("#facet-outcome ~ ul a.only:has-text('success')", { modifiers: ["Alt"] });
    await page.waitForURL(/-outcome%3Asuccess/);
    await until(page, () => ![...document.querySelectorAll("#rows .badge")].some((one) => one.textContent === "success"));
  },

  async "dragging across the chart chooses the time"(page) {
    await page.goto("/explore?range=30d");
    const box = await page.locator("#chart .plot").boundingBox();
    await page.mouse.move(box.x + box.width * 0.3, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.4, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/since=.*until=/);
    assert.match(await page.textContent(".menu.time summary"), /–/);
  },

  async "keys walk through the table and open activities beside it"(page) {
    await page.goto("/explore?q=category:chats");
    await page.waitForSelector("[data-row]");
    await page.keyboard.press("j");
    await page.keyboard.press("j");
    await page.keyboard.press("k");
    assert.equal(await page.locator("[data-marked]").getAttribute("data-id"), await page.locator("[data-row]").first().getAttribute("data-id"));
    await page.keyboard.press("Enter");
    await page.waitForSelector("#detail .json");
    await page.waitForURL(/open=/);
    const first = await page.textContent("#detail .facts");
    await page.keyboard.press("j");
    await until(page, (first) => document.querySelector("#detail .facts")?.textContent !== first, first);
    await page.keyboard.press("Escape");
    await until(page, () => !document.querySelector("#detail > *"));
    assert.doesNotMatch(page.url(), /open=/);
    await page.keyboard.press("?");
    await page.waitForSelector("#help[open]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("#help:not([open])", { state: "attached" });
  },

  async "an address opens what it says"(page) {
    await page.goto("/explore?q=category:chats");
    await page.click("[data-row]:nth-child(3) td.time");
    await page.waitForSelector("#detail .json");
    const told = await page.textContent("#detail .facts");
    await page.reload();
    await page.waitForSelector("#detail .json");
    assert.equal(await page.textContent("#detail .facts"), told);
    await page.click("[data-close]");
    await until(page, () => !document.querySelector("#detail > *"));
  },

  async "columns are chosen, searches saved, results downloaded"(page) {
    await page.goto("/explore?q=outcome:failure");
    await page.click("#rows summary:has-text('Columns')");
    await page.click("#rows .choices a:has-text('Product')");
    await page.waitForSelector("#rows th:has-text('Product')");
    await page.click("[data-saved] summary");
    await page.fill("#save-form input", "what failed");
    await page.click("#save-form button");
    await page.waitForSelector("#saved-list a:has-text('what failed')");
    const csv = await page.request.get(await page.getAttribute("a[href*='export.csv']", "href"));
    assert.match(await csv.text(), /^time,type,category,outcome,actor,ip,target,product\r\n/);
    const lines = await page.request.get(await page.getAttribute("a[href*='export.jsonl']", "href"));
    assert.ok(JSON.parse((await lines.text()).split("\n")[0]).eventID);
  },

  async "the Explorer follows live when told to"(page) {
    await page.goto("/explore");
    await page.click("#live-switch");
    await page.waitForSelector("#live-state[data-state=live]");
  },

  async "the time is chosen from the list"(page) {
    await page.goto("/dashboards/overview");
    await page.click(".menu.time summary");
    await page.click(".ranges-list a:has-text('7 days')");
    await page.waitForURL(/range=7d/);
    assert.equal((await page.textContent(".menu.time summary")).replace("Time range:", "").trim(), "Last 7 days");
  },

  async "settings are shown as they were"(page) {
    await page.goto("/posture");
    const now = await page.locator(".settings > ul > li").count();
    await page.fill("input[name=at]", "2020-01-01T00:00");
    await page.click(".title button");
    await page.waitForURL(/at=2020/);
    assert.ok(now > 0 && (await page.locator(".settings > ul > li").count()) === 0);
  },

  async "SQL is written, run and drawn"(page) {
    await page.goto("/sql");
    await page.fill("#statement", "select category, count(*) as n from activities group by 1 order by 2 desc");
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector(".answer tbody tr");
    assert.ok((await page.locator(".bars .bar").count()) > 3, "a chart of the answer");
    const csv = await page.request.get(await page.getAttribute("a.csv", "href"));
    assert.match(await csv.text(), /^category,n\r\n/);
  },
};

// All of them; those of the login at a service that needs one.
export async function journeys(browser, base, guarded) {
  const list = [...Object.entries({ ...search, ...desk }).map((one) => [base, ...one])];
  if (guarded) list.push(...Object.entries(login).map((one) => [guarded, ...one]));
  const failures = [];
  for (const [home, told, go] of list) {
    const { context, page, complaints } = await open(browser, home, { width: 1280, scheme: "light" });
    const goto = page.goto.bind(page);
    page.goto = (path) => goto(new URL(path, home).href);
    const get = page.request.get.bind(page.request);
    page.request.get = (path) => get(new URL(path, home).href);
    try {
      await go(page);
      // A question that is wrong is answered with 400, and Chromium writes that down. A journey may expect more of the kind.
      const others = complaints.filter((text) => !text.includes("status of 400") && !page.excused?.test(text));
      assert.deepEqual(others, []);
      console.log(`ok   ${told}`);
    } catch (error) {
      console.log(`FAIL ${told}\n     ${error.message.split("\n").slice(0, 6).join("\n     ")}`);
      failures.push(`${told}: ${error.message}`);
    }
    await context.close();
  }
  return failures;
}
