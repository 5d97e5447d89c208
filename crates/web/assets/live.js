// Keeps the regions of a page up to date. At each commit that the service tells of, the page's regions are asked for again
// and what has changed is put in its place. Nothing moves under a pointer, a selection or the keyboard's focus.

const RETRY_MS = 3000;
const page = document.querySelector("[data-live]");
const state = document.getElementById("live-state");
const toggle = document.getElementById("live-switch");

let events = null;
let seq = null;
let isPaused = page !== null && "still" in page.dataset;
let isBusy = false;
let isBehind = false;
let retry = 0;
let pointer = "";
let isPressed = false;
const shown = new Map();
const held = new Set();

function say(kind, text, more = "") {
  if (state.dataset.state === kind && state.textContent === text) return;
  state.dataset.state = kind;
  state.textContent = text;
  state.title = more;
}

function open() {
  close();
  if (isPaused || document.hidden) return;
  events = new EventSource(page.dataset.stream ?? "/live");
  events.addEventListener("commit", (event) => {
    if (event.data === seq) say("live", "Live");
    else refresh(event.data);
  });
  events.addEventListener("error", () => {
    say("lost", "Reconnecting…", "The service does not answer. What you see is as it was.");
    if (events?.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(open, RETRY_MS);
    // The stream does not say why it is closed.
    fetch(place(), { method: "HEAD", headers: { accept: "text/html" } }).then(({ status }) => status === 401 && leave(), () => {});
  });
}

function leave() {
  close();
  say("lost", "Logged out", "What you see is as it was.");
  dispatchEvent(new Event("loggedout"));
}

function close() {
  clearTimeout(retry);
  events?.close();
  events = null;
}

// Where the page's regions are to be had: another address once somebody has asked for something else.
const place = () => page.querySelector("[data-live-url]")?.dataset.liveUrl ?? page.dataset.live;

async function refresh(newest) {
  if (isBusy) {
    isBehind = true;
    return;
  }
  isBusy = true;
  isBehind = false;
  try {
    const asked = place();
    const answer = await fetch(asked, { headers: { accept: "text/html" } });
    if (answer.status === 401) return leave();
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const html = await answer.text();
    if (place() !== asked) {
      // It answers what was asked before, and what stands there now is newer.
      isBehind = true;
    } else if (!isPaused) {
      replace(new DOMParser().parseFromString(html, "text/html").body);
      seq = newest;
      say("live", "Live");
    }
  } catch (error) {
    say("lost", "Not up to date", `The service did not answer (${error.message}). What you see is as it was.`);
    retry = setTimeout(() => refresh(newest), RETRY_MS);
  } finally {
    isBusy = false;
    if (isBehind) refresh(newest);
  }
}

function replace(body) {
  const whole = body.querySelector("[data-kind]");
  if (!whole) return;
  const old = document.getElementById(whole.id);
  if (!old) return;
  if (whole.dataset.kind !== old.dataset.kind) old.replaceWith(whole);
  held.clear();
  const regions = [...body.querySelectorAll("[data-region]")].filter((region) => !region.querySelector("[data-region]"));
  for (const region of regions) {
    const present = document.getElementById(region.id);
    const html = region.innerHTML;
    if (!present || shown.get(region.id) === html) continue;
    present.classList.toggle("is-held", isInUse(present));
    if (isInUse(present)) {
      held.add(present);
    } else {
      shown.set(region.id, html);
      swap(present, region);
    }
  }
}

// Whether somebody points at, selects or has the focus in what would move.
function isInUse(region) {
  const selection = getSelection();
  if (selection && !selection.isCollapsed && selection.containsNode(region, true)) return true;
  // A click that has begun ends on what it began on.
  if (isPressed && region.matches(":hover")) return true;
  if (!("hold" in region.dataset)) return false;
  return (pointer === "mouse" && region.matches(":hover")) || region.querySelector(":focus-visible") !== null;
}

function swap(present, region) {
  const marked = present.querySelector("[data-marked]")?.dataset.id;
  const known = new Set([...present.querySelectorAll("[data-id]")].map((row) => row.dataset.id));
  const focus = present.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  if (known.size > 0) {
    for (const row of region.querySelectorAll("[data-id]")) row.classList.toggle("fresh", !known.has(row.dataset.id));
  }
  present.replaceChildren(...region.childNodes);
  if (marked) present.querySelector(`[data-id="${CSS.escape(marked)}"]`)?.setAttribute("data-marked", "");
  window.htmx?.process(present);
  if (focus) present.querySelector(`[href="${CSS.escape(focus)}"]`)?.focus({ preventScroll: true });
}

// What the switch does.
const label = () => (isPaused ? ("still" in page.dataset ? "Follow live" : "Resume") : "Pause");

// The same words as the service writes.
function age(time) {
  const seconds = Math.floor((Date.now() - time) / 1000);
  if (seconds < -59) return "in the future";
  if (seconds < 2) return "just now";
  if (seconds < 100) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.floor((seconds + 30) / 60)} min ago`;
  if (seconds < 129600) return `${Math.floor((seconds + 1800) / 3600)} h ago`;
  return `${Math.floor((seconds + 43200) / 86400)} days ago`;
}

function tick() {
  if (isPaused) return;
  if (held.size > 0 && ![...held].some(isInUse)) refresh(seq);
  for (const element of document.querySelectorAll("time[data-age]")) {
    const text = age(Date.parse(element.dateTime));
    if (element.textContent !== text) element.textContent = text;
  }
}

if (page?.querySelector("[data-seq]")) {
  seq = page.querySelector("[data-seq]").dataset.seq;
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    isPaused = !isPaused;
    toggle.textContent = label();
    if (isPaused) {
      close();
      say("still", "Paused");
    } else {
      say("wait", "Connecting…");
      open();
    }
  });
  addEventListener("pointermove", (event) => (pointer = event.pointerType), { passive: true });
  addEventListener("pointerdown", () => (isPressed = true), true);
  for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => setTimeout(() => (isPressed = false)), true);
  document.addEventListener("visibilitychange", open);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => event.persisted && open());
  setInterval(tick, 1000);
  toggle.textContent = label();
  if (isPaused) {
    say("still", "Not following");
  } else {
    say("wait", "Connecting…");
    open();
  }
}
