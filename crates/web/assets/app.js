// What answers keys and pointers: completion in the filter, choosing a time on the chart, keys in the table, menus, saved
// searches. Every page works without it; nothing here knows what a filter means, the service is asked.

const find = (selector, within = document) => within.querySelector(selector);
const all = (selector, within = document) => [...within.querySelectorAll(selector)];

// On a narrow page the menu shows where one is.
find(".pages [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// Menus close when something else is wanted.
addEventListener("click", (event) => {
  for (const menu of all("details[data-menu][open]")) if (!menu.contains(event.target)) menu.open = false;
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(copy.dataset.copy).then(() => (copy.textContent = "Copied"));
  }
  if (event.target.closest("[data-help]")) find("#help")?.showModal();
  const row = event.target.closest("[data-row]");
  if (row && !event.target.closest("a") && getSelection().isCollapsed) find("[data-open]", row)?.click();
  if (event.target.closest("[data-close]")) closeDetail();
});
// Alt and a click on a facet leaves the value out.
addEventListener(
  "click",
  (event) => {
    const only = event.altKey && event.target.closest("a[data-without]");
    if (!only) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    find("a.without", only.parentElement).click();
  },
  true,
);
addEventListener("change", (event) => {
  if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
});

// The chart: drag to choose a time.
let drag = null;
addEventListener("pointerdown", (event) => {
  const plot = event.target.closest("[data-brush] .plot");
  if (!plot || event.button !== 0) return;
  const box = plot.getBoundingClientRect();
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  mark.setAttribute("class", "brush");
  mark.setAttribute("height", "100%");
  mark.setAttribute("y", "0");
  plot.append(mark);
  drag = { plot, box, mark, start: event.clientX, chart: plot.closest("[data-brush]") };
  event.preventDefault();
});
addEventListener("pointermove", (event) => {
  if (!drag) return;
  const clamp = (x) => Math.min(Math.max(x - drag.box.left, 0), drag.box.width);
  drag.from = Math.min(clamp(drag.start), clamp(event.clientX));
  drag.to = Math.max(clamp(drag.start), clamp(event.clientX));
  drag.mark.setAttribute("x", drag.from);
  drag.mark.setAttribute("width", drag.to - drag.from);
});
addEventListener("pointerup", () => {
  if (!drag) return;
  const { box, mark, chart, from, to } = drag;
  drag = null;
  mark.remove();
  if (!(to - from > 4)) return;
  const begin = Number(chart.dataset.from);
  const span = Number(chart.dataset.to) - begin;
  const at = (x) => new Date(Math.round(begin + (span * x) / box.width) * 1000).toISOString().slice(0, 19) + "Z";
  const address = new URL(chart.dataset.page ?? location.href, location.href);
  for (const name of ["range", "open", "rows"]) address.searchParams.delete(name);
  address.searchParams.set("since", at(from));
  address.searchParams.set("until", at(to));
  location.assign(address);
});

// Completion in the filter.
let offers = [];
let chosen = -1;
// The text that the offers are for.
let offered = "";
let asked = 0;
const field = () => find("[data-complete]");
const list = () => find("#offers");

function hideOffers() {
  asked += 1;
  offers = [];
  chosen = -1;
  if (!list()) return;
  list().hidden = true;
  field().setAttribute("aria-expanded", "false");
  field().removeAttribute("aria-activedescendant");
}

async function complete() {
  const input = field();
  const number = ++asked;
  const text = input.value;
  const query = new URLSearchParams({ q: text, at: input.selectionStart });
  const answer = await fetch(`${input.dataset.complete}?${query}`).catch(() => null);
  if (number !== asked || !answer?.ok) return;
  offers = await answer.json();
  if (number !== asked) return;
  offered = text;
  chosen = -1;
  list().replaceChildren(
    ...offers.map((offer, at) => {
      const item = document.createElement("li");
      item.id = `offer-${at}`;
      item.role = "option";
      const text = document.createElement("bdi");
      text.textContent = offer.text;
      const note = document.createElement("span");
      note.textContent = offer.note;
      item.append(text, note);
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        take(at);
      });
      return item;
    }),
  );
  list().hidden = offers.length === 0;
  input.setAttribute("aria-expanded", String(offers.length > 0));
}

function choose(step) {
  chosen = (chosen + step + offers.length) % offers.length;
  all("li", list()).forEach((item, at) => {
    item.setAttribute("aria-selected", String(at === chosen));
    if (at === chosen) item.scrollIntoView({ block: "nearest" });
  });
  field().setAttribute("aria-activedescendant", `offer-${chosen}`);
}

function take(at) {
  const input = field();
  // Somebody types faster than the service answers.
  if (input.value !== offered) {
    complete().then(() => offers[at] && take(at));
    return;
  }
  const { text, from, to } = offers[at];
  const isField = text.endsWith(":");
  const tail = isField || input.value[to] === " " ? "" : " ";
  input.setRangeText(text + tail, from, to, "end");
  hideOffers();
  if (isField) complete();
}

addEventListener("input", (event) => event.target.matches("[data-complete]") && complete());
addEventListener("focusout", (event) => event.target.matches("[data-complete]") && hideOffers());
addEventListener(
  "keydown",
  (event) => {
    if (!event.target.matches?.("[data-complete]")) return;
    const isOpen = !list().hidden && offers.length > 0;
    if (event.key === "ArrowDown" && !isOpen) complete();
    else if (event.key === "ArrowDown" && isOpen) choose(1);
    else if (event.key === "ArrowUp" && isOpen) choose(-1);
    else if (event.key === "Enter" && isOpen && chosen >= 0) take(chosen);
    else if (event.key === "Tab" && isOpen && !event.shiftKey) take(Math.max(chosen, 0));
    else if (event.key === "Escape") {
      if (isOpen) hideOffers();
      else event.target.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  },
  true,
);

// Keys of the table.
function mark(step) {
  const rows = all("[data-row]");
  if (rows.length === 0) return;
  const now = rows.findIndex((row) => row.hasAttribute("data-marked"));
  const next = rows[Math.min(Math.max(now + step, 0), rows.length - 1)];
  rows[now]?.removeAttribute("data-marked");
  next.setAttribute("data-marked", "");
  next.scrollIntoView({ block: "nearest" });
  find("[data-open]", next)?.focus({ preventScroll: true });
  if (find("#detail > *")) find("[data-open]", next)?.click();
}

function closeDetail() {
  const detail = find("#detail");
  if (!detail?.firstElementChild) return false;
  detail.replaceChildren();
  const address = new URL(location.href);
  address.searchParams.delete("open");
  history.replaceState(null, "", address);
  find("[data-marked] [data-open]")?.focus({ preventScroll: true });
  return true;
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    const menu = find("details[data-menu][open]");
    if (menu) {
      menu.open = false;
      find("summary", menu).focus();
    } else if (!find("dialog[open]")) closeDetail();
    return;
  }
  if (event.target.matches("input, textarea, select") || find("dialog[open]")) return;
  const explorer = find("[data-explorer]");
  const actions = {
    "/": () => (field() ? field().select() : location.assign("/explore")),
    "?": () => find("#help")?.showModal(),
    j: () => explorer && mark(1),
    k: () => explorer && mark(-1),
    l: () => find("#live-switch")?.click(),
    t: () => find(".menu.time summary")?.click(),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  if (event.key === "/") field()?.focus();
  action();
});

// Saved searches, in this browser.
const KEY = "auditlake.searches";
const saved = () => {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? [];
  } catch {
    return [];
  }
};

function keep(searches) {
  localStorage.setItem(KEY, JSON.stringify(searches.slice(0, 100)));
  showSaved();
}

function showSaved() {
  const place = find("#saved-list");
  if (!place) return;
  const items = saved().map(({ name, search }) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/explore${search}`;
    const text = document.createElement("bdi");
    text.textContent = name;
    link.append(text);
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet small";
    remove.textContent = "Remove";
    remove.setAttribute("aria-label", `Remove ${name}`);
    remove.addEventListener("click", () => keep(saved().filter((other) => other.name !== name)));
    item.append(link, remove);
    return item;
  });
  place.replaceChildren(...items);
}

addEventListener("submit", (event) => {
  if (event.target.id !== "save-form") return;
  event.preventDefault();
  const name = new FormData(event.target).get("name").trim();
  const address = new URL(location.href);
  address.searchParams.delete("open");
  if (name) keep([{ name, search: address.search }, ...saved().filter((other) => other.name !== name)]);
  event.target.reset();
});

// After a part of the page was exchanged.
addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "detail" || event.detail.target?.id === "detail") {
    const detail = find("#detail");
    addClose(detail);
    if (matchMedia("(max-width: 980px)").matches) detail.scrollIntoView();
  } else {
    showSaved();
    addClose(find("#detail"));
  }
});

function addClose(detail) {
  if (!detail?.firstElementChild || find("[data-close]", detail)) return;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet close";
  close.dataset.close = "";
  close.setAttribute("aria-label", "Close the activity");
  close.textContent = "✕";
  detail.prepend(close);
}

showSaved();
addClose(find("#detail"));

// The editor: run by key, columns put in where the caret is.
addEventListener("keydown", (event) => {
  if (event.target.matches?.("[data-editor]") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    event.target.form.requestSubmit();
  }
});
addEventListener("click", (event) => {
  const name = event.target.closest("[data-insert]")?.dataset.insert;
  const editor = find("[data-editor]");
  if (!name || !editor) return;
  editor.setRangeText(/^[a-z_]\w*$/i.test(name) ? name : `"${name}"`, editor.selectionStart, editor.selectionEnd, "end");
  editor.focus();
});
