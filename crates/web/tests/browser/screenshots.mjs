// node screenshots.mjs URL DIRECTORY: the six pictures of the documentation, small: 256 colours.

import { mkdirSync, writeFileSync } from "node:fs";
import UPNG from "upng-js";
import { launch, open } from "./browser.mjs";

const COLORS = 192;
const [, , base, directory] = process.argv;
if (!directory) throw new Error("usage: node screenshots.mjs URL DIRECTORY");

const pictures = [
  { name: "overview", path: "/", height: 1000, scheme: "light" },
  { name: "explorer", path: "/explore?q=category:authentication&range=30d", scheme: "light", open: "[data-row]:nth-child(4) [data-open]" },
  { name: "dashboard", path: "/dashboards/sso", height: 900, scheme: "light" },
  { name: "person", path: "/", follow: "#lists a[href^='/person/']", height: 900, scheme: "dark" },
  { name: "posture", path: "/posture", height: 800, scheme: "light" },
  { name: "sql", path: "/sql?q=select+srcASCountryCode+as+country%2C+count(*)+as+activities%2C+count(distinct+actorEmail)+as+people%0Afrom+activities%0Awhere+category+%3D+%27authentication%27%0Agroup+by+1+order+by+2+desc+limit+12", height: 900, scheme: "dark" },
];

mkdirSync(directory, { recursive: true });
const browser = await launch();
for (const picture of pictures) {
  const { context, page } = await open(browser, base, { width: 1280, ...picture });
  await page.goto(base + picture.path, { waitUntil: "load" });
  if (picture.follow) await page.click(picture.follow);
  if (picture.open) {
    await page.waitForSelector("#facets section");
    await page.click(picture.open);
    await page.waitForSelector("#detail .json");
  }
  if (picture.path === "/" && !picture.follow) await page.waitForSelector("#live-state[data-state=live]");
  await page.mouse.move(0, 0);
  await page.waitForLoadState("load");
  await page.evaluate(() => document.fonts.ready);
  const raw = UPNG.decode(await page.screenshot());
  const small = UPNG.encode([UPNG.toRGBA8(raw)[0]], raw.width, raw.height, COLORS);
  writeFileSync(`${directory}/${picture.name}.png`, Buffer.from(small));
  console.log(`${picture.name}.png ${(small.byteLength / 1000).toFixed(0)} kB`);
  await context.close();
}
await browser.close();
