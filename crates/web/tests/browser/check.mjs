// node check.mjs URL [URL]: opens every page of a running demo in Chromium, in both widths and both colour schemes.
//
// A page fails if it complains (console, content security policy, requests to elsewhere), if axe finds something serious, if
// it is wider than its window, if it weighs 500 kB or more as it is transferred, or if nothing is painted within a second.
// Then `journeys.mjs` clicks and types as people do, where a login is needed at the second address.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { launch, open, until } from "./browser.mjs";
import { journeys } from "./journeys.mjs";

const MOST_KB = 500;
const MOST_MS = 1000;
const [base, guarded] = process.argv.slice(2).map((url) => url.replace(/\/$/, ""));
if (!base) throw new Error("usage: node check.mjs URL [URL]");
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const failures = [];

// Every page of the menu, every dashboard, and one of each kind of thing.
async function places(page) {
  const links = async (path, selector) => {
    await page.goto(base + path);
    return page.$$eval(selector, (found) => found.map((link) => link.getAttribute("href")));
  };
  const menu = await links("/", "nav.pages a");
  const boards = await links("/dashboards", ".boards a");
  const [activity] = await links("/explore?q=type:claude_project_created", "[data-open]");
  const things = await links(activity, ".related a");
  const list = [...menu, ...boards, activity, `/explore?q=outcome:failure&range=30d`];
  list.push("/sql?q=select+eventName,count(*)+as+n+from+anthropic_logs+group+by+1+order+by+2+desc+limit+10");
  for (const kind of ["person", "address", "organization", "resource"]) {
    const one = things.find((href) => href.startsWith(`/${kind}/`));
    if (one) list.push(one);
  }
  const [key] = await links("/", "#lists a[href^='/key/']");
  if (key) list.push(key);
  for (const [path, selector] of [["/alerts", ".inbox a[href^='/alerts/']"], ["/rules", "main a[href^='/rules/']"]]) {
    if (!menu.includes(path)) continue;
    const [one] = await links(path, selector);
    if (one) list.push(one);
  }
  return [...new Set(list)];
}

// The time until something was painted. A busy machine is not the page's fault: who is slow may try again.
async function painted(page) {
  await until(page, () => performance.getEntriesByName("first-contentful-paint").length > 0);
  return page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0].startTime);
}

async function look(browser, path, options) {
  const { context, page, complaints } = await open(browser, base, options);
  const wire = await context.newCDPSession(page);
  let bytes = 0;
  await wire.send("Network.enable");
  wire.on("Network.loadingFinished", (event) => (bytes += event.encodedDataLength));
  const answer = await page.goto(base + path, { waitUntil: "load" });
  if (answer.status() !== 200) complaints.push(`status ${answer.status()}`);
  let paint = await painted(page);
  // Parts that are loaded after the page.
  await until(page, () => !document.querySelector("[hx-trigger=load]:not(:has(section, p:not(.muted), a))"));
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.evaluate(axe);
  const findings = await page.evaluate(() => axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"] }));
  for (const finding of findings.violations) {
    if (!["serious", "critical"].includes(finding.impact)) continue;
    const spots = finding.nodes.slice(0, 3).map((node) => `${node.target.join(" ")} (${node.any[0]?.message ?? node.html.slice(0, 120)})`);
    complaints.push(`axe, ${finding.impact}: ${finding.help}: ${finding.nodes.length} × ${spots.join("; ")}`);
  }
  const kb = bytes / 1000;
  for (let again = 0; again < 2 && paint >= MOST_MS; again++) {
    await page.reload({ waitUntil: "load" });
    paint = Math.min(paint, await painted(page));
  }
  if (wider > 0) complaints.push(`${wider} pixels wider than its window`);
  if (kb >= MOST_KB) complaints.push(`weighs ${kb.toFixed(0)} kB`);
  if (paint >= MOST_MS) complaints.push(`painted after ${paint.toFixed(0)} ms`);
  await context.close();
  const place = `${path.slice(0, 60)} (${options.width}, ${options.scheme})`;
  console.log(`${complaints.length ? "FAIL" : "ok  "} ${place.padEnd(78)} ${paint.toFixed(0).padStart(5)} ms ${kb.toFixed(0).padStart(4)} kB`);
  for (const complaint of complaints) {
    console.log(`     ${complaint}`);
    failures.push(`${place}: ${complaint}`);
  }
}

const browser = await launch();
const { context, page } = await open(browser, base, { width: 1280, scheme: "light" });
const list = await places(page);
await context.close();
for (const path of list) {
  await look(browser, path, { width: 1280, scheme: "light" });
  await look(browser, path, { width: 390, scheme: "dark" });
}
failures.push(...(await journeys(browser, base, guarded)));
await browser.close();
console.log(failures.length ? `${failures.length} failures` : `${list.length} pages and all journeys are well`);
process.exit(failures.length ? 1 : 0);
