// A Chromium that is there already, driven by playwright-core; and what every page is watched for while it is open.

import { existsSync } from "node:fs";
import { chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome", "/opt/google/chrome/chrome"];

export async function launch() {
  const executablePath = process.env.CHROMIUM ?? PLACES.find((path) => existsSync(path));
  if (!executablePath) throw new Error("there is no Chromium; install one, or name it in CHROMIUM");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}

// A page, and a list of what it complained of: errors, refusals of the content security policy, requests that failed or
// went to somebody else.
export async function open(browser, base, options) {
  const context = await browser.newContext({ viewport: { width: options.width, height: options.height ?? 900 }, colorScheme: options.scheme });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints = [];
  const complain = (text) => complaints.push(text);
  page.on("console", (message) => message.type() === "error" && complain(`console: ${message.text()}`));
  page.on("pageerror", (error) => complain(`script: ${error.message}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(base) && !request.url().startsWith("data:")) complain(`asked for ${request.url()}`);
  });
  page.on("response", (response) => response.status() >= 500 && complain(`${response.status()} of ${response.url()}`));
  return { context, page, complaints };
}

// Waits until something is true in the page. Playwright's own waiting evaluates text, which the content security policy of
// the pages refuses, as it should.
export async function until(page, isSo, value) {
  const end = Date.now() + 15_000;
  while (!(await page.evaluate(isSo, value).catch(() => false))) {
    if (Date.now() > end) throw new Error(`waited in vain for ${isSo}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
