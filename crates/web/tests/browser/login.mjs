// What people do where a login is needed. The service has one user, `ann`; see `.ci/browser`.

import assert from "node:assert/strict";

export const NAME = "ann";
export const PASSWORD = "correct horse battery";

async function logIn(page, password = PASSWORD) {
  await page.fill("#name", NAME);
  await page.fill("#password", password);
  await page.click("button:has-text('Log in')");
}

export const login = {
  async "somebody logs in, and is led where they wanted to go"(page) {
    await page.goto("/explore?range=all");
    assert.match(page.url(), /\/login\?next=/);
    page.excused = /status of 401/;
    await logIn(page, "wrong password");
    await page.waitForSelector("[role=alert]");
    await logIn(page);
    await page.waitForURL(/\/explore\?range=all/);
    assert.match(await page.textContent(".account"), /ann/);
    await page.waitForSelector("[data-row]");
    await page.click(".account button");
    await page.waitForURL(/\/login/);
    await page.goto("/settings");
    assert.match(page.url(), /\/login\?next=%2Fsettings/);
  },

  async "whose session ends comes back to where they were"(page) {
    page.excused = /status of 401/;
    await page.goto("/explore?range=all&q=type:claude_chat_created");
    await logIn(page);
    await page.waitForSelector("#facets section");
    await page.context().clearCookies();
    await page.click("[data-row] [data-open]");
    await page.waitForURL(/\/login\?next=/);
    await logIn(page);
    await page.waitForURL(/q=type/);
    await page.waitForSelector("[data-row]");
  },
};
