// What is said while a part of a page is on its way, and when it does not come: a strip with what went wrong and a way to try
// again. What stood there stays. Whoever is logged out is led to the login, and back to where they were.

const find = (selector, within = document) => within.querySelector(selector);
const strip = find("#strip");
let again = null;

function complain(text, retry, label = "Try again") {
  again = retry;
  find("#strip-text", strip).textContent = text;
  find("#strip-retry", strip).textContent = label;
  strip.hidden = false;
}

function calm() {
  again = null;
  strip.hidden = true;
}

strip.addEventListener("click", (event) => {
  if (!event.target.closest("button")) return;
  const retry = event.target.closest("#strip-retry") && again;
  calm();
  retry?.();
});

const toLogin = () => location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
addEventListener("loggedout", () => complain("You are logged out.", toLogin, "Log in"));

// What was asked for once more, the way it was asked for.
function repeat({ elt, requestConfig, pathInfo }) {
  if (!elt.isConnected) location.reload();
  else if (elt.matches("form")) elt.requestSubmit();
  else if (elt.matches("a")) elt.click();
  else window.htmx.ajax(requestConfig.verb, pathInfo.finalRequestPath, { source: elt });
}

// What an answer says for itself: the API's error, or a page that stands in for one that could not be made.
function words(xhr) {
  const kind = xhr.getResponseHeader("content-type") ?? "";
  let said = [];
  try {
    if (kind.startsWith("application/json")) {
      const { message, hint } = JSON.parse(xhr.responseText).error;
      said = [message, hint];
    } else if (kind.startsWith("text/html")) {
      const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
      said = [...page.querySelectorAll(".message p")].slice(0, 1).map((part) => part.textContent);
    }
  } catch {
    // It says nothing that can be read.
  }
  const text = said.filter(Boolean).join("; ").slice(0, 400) || `status ${xhr.status}`;
  return `That did not work: ${text}${/[.…]$/.test(text) ? "" : "."}`;
}

// While it is on its way.
addEventListener("htmx:beforeRequest", ({ detail }) => {
  const { target, elt } = detail;
  target.setAttribute("aria-busy", "true");
  if (target.id !== "detail") return;
  for (const row of document.querySelectorAll("[data-row][data-marked]")) row.removeAttribute("data-marked");
  elt.closest("[data-row]")?.setAttribute("data-marked", "");
  if (target.firstElementChild) return;
  const waiting = document.createElement("p");
  waiting.className = "card waiting muted";
  waiting.setAttribute("role", "status");
  waiting.textContent = "Opening…";
  target.append(waiting);
});
addEventListener("htmx:afterRequest", ({ detail }) => {
  detail.target.removeAttribute("aria-busy");
  find("#detail > .waiting")?.remove();
});

// When it does not come, or is something else.
addEventListener("htmx:beforeOnLoad", (event) => {
  if (event.detail.xhr.status !== 401) return;
  event.preventDefault();
  toLogin();
});
addEventListener("htmx:beforeSwap", (event) => {
  const { xhr } = event.detail;
  const isPage = xhr.getResponseHeader("content-type")?.startsWith("text/html");
  // A question that is wrong is answered by the page itself, with the spot.
  if (isPage && xhr.status <= 400) return calm();
  event.detail.shouldSwap = false;
  fail(event.detail, words(xhr));
});
for (const name of ["htmx:sendError", "htmx:timeout"]) {
  addEventListener(name, (event) => fail(event.detail, "The service does not answer. What you see is as it was."));
}

function fail(detail, text) {
  const counting = find("[data-failed]", detail.target);
  if (counting) counting.textContent = counting.dataset.failed;
  complain(text, () => repeat(detail));
}

// A form that takes its time says so.
addEventListener("submit", (event) => {
  const button = find("[data-busy]", event.target);
  if (!button || event.defaultPrevented) return;
  button.dataset.idle = button.textContent;
  button.textContent = button.dataset.busy;
  button.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("[data-idle]")) {
    button.textContent = button.dataset.idle;
    button.removeAttribute("aria-busy");
  }
});
