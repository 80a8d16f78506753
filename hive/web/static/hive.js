"use strict";
// Keeps a page up to date, and sends its forms without leaving it. All of it works without this
// script, too, by loading pages.

const live = document.getElementById("live");
const said = document.getElementById("said");

// Replaces what differs, and nothing else: the focus, a selection, what is typed and what is
// opened stay.
function morph(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeName !== fresh.nodeName) { old.replaceWith(fresh); return; }
  if (old.nodeType !== Node.ELEMENT_NODE) { old.nodeValue = fresh.nodeValue; return; }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    const stays = name === "open" || fresh.hasAttribute(name);
    if (!stays) old.removeAttribute(name);
  }
  const parts = [...fresh.childNodes];
  parts.forEach((part, at) => {
    const mine = old.childNodes[at];
    if (mine) morph(mine, part); else old.append(part);
  });
  while (old.childNodes.length > parts.length) old.lastChild.remove();
}

// The elements of each list by their keys, in the order in which the server has sent them.
const known = new Map();

function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content.firstElementChild;
}

// The elements that the page was loaded with.
function loaded(list, order) {
  const children = [...list.children];
  if (children.length === 1 && order.length === 1) return new Map([[order[0], children[0]]]);
  return new Map(children.filter((each) => each.dataset.key).map((each) => [each.dataset.key, each]));
}

function apply(change) {
  const list = live.querySelector(`[data-list="${change.list}"]`);
  if (!list) return;
  if (!known.has(change.list)) known.set(change.list, loaded(list, change.order || []));
  const mine = known.get(change.list);
  for (const [key, html] of Object.entries(change.parts || {})) {
    const fresh = element(html);
    const old = mine.get(key);
    if (old && old.isConnected && old.nodeName === fresh.nodeName) morph(old, fresh);
    else mine.set(key, fresh);
  }
  if (change.order) arrange(list, mine, change.order);
}

// Puts the elements of a list into an order; one that is in its place is not moved.
function arrange(list, mine, order) {
  const wanted = new Set(order);
  for (const [key, each] of [...mine]) {
    if (!wanted.has(key)) { each.remove(); mine.delete(key); }
  }
  let place = list.firstElementChild;
  for (const key of order) {
    const each = mine.get(key);
    if (!each) continue;
    if (each === place) { place = place.nextElementSibling; continue; }
    list.insertBefore(each, place);
  }
  while (place) { const next = place.nextElementSibling; place.remove(); place = next; }
}

// While somebody types or chooses, only what cannot move the rest of the page changes.
const isTyping = () => {
  const at = document.activeElement;
  if (!at || !at.matches("textarea, input:not([type=hidden])") || at.closest("main") === null) return false;
  return at.type === "checkbox" ? at.form.querySelector(":checked") !== null : at.value !== "";
};

let held = [];
function take(changes) {
  const isHeld = isTyping();
  for (const change of changes) {
    const list = live.querySelector(`[data-list="${change.list}"]`);
    if (isHeld && list && !list.hasAttribute("data-steady")) held.push(change);
    else keepingEnd(list, () => apply(change));
  }
  document.getElementById("held").hidden = held.length === 0;
}

// Whether the daemon is away, also if the notice that says so waits until one has typed.
function isAway() {
  const notice = held.findLast((change) => change.list === "notices" && change.order);
  return notice ? notice.order.includes("away") : live.querySelector(".away") !== null;
}

function release() {
  if (isTyping() || held.length === 0) return;
  const waiting = held;
  held = [];
  take(waiting);
  mark();
}

// A conversation that shows its end goes on to show it.
function keepingEnd(list, change) {
  if (!list || !list.hasAttribute("data-steady")) { change(); return; }
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  change();
  if (atEnd) list.scrollTop = list.scrollHeight;
}

// What follows from the parts: whether the daemon is away, and how many things wait.
function mark() {
  live.classList.toggle("is-away", isAway());
  const items = live.querySelector('[data-list="items"]');
  if (items) {
    const count = items.children.length;
    document.title = (count ? `(${count}) ` : "") + document.title.replace(/^\(\d+\) /, "");
  }
}

// The connection over which the parts come. A browser has few of them for one server, so a page that
// nobody sees gives its own up, and gets all parts when it is looked at again.
let source = null;

function listen() {
  if (source !== null || document.hidden) return;
  const lost = document.getElementById("lost");
  source = new EventSource(live.dataset.live);
  source.addEventListener("changes", (event) => { take(JSON.parse(event.data)); mark(); });
  source.addEventListener("ended", () => { silenceSource(); location.reload(); });
  source.onopen = () => { known.clear(); held = []; lost.hidden = true; live.classList.remove("is-lost"); };
  source.onerror = () => {
    lost.hidden = false;
    live.classList.add("is-lost");
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000);
  };
}

function silenceSource() {
  source?.close();
  source = null;
}

if (live) {
  for (const list of live.querySelectorAll("[data-steady]")) list.scrollTop = list.scrollHeight;
  listen();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) listen();
    else setTimeout(() => { if (document.hidden) silenceSource(); }, 2000);
  });
  addEventListener("pagehide", silenceSource);
  addEventListener("pageshow", listen);
  document.addEventListener("focusout", () => setTimeout(release, 0));
  document.addEventListener("input", () => setTimeout(release, 0));
}

// Says what became of an action: that it is done for a while, an error until it is clicked away.
let silence = 0;
function say(text, isError) {
  clearTimeout(silence);
  said.textContent = text;
  said.className = `said ${isError ? "error" : "done"}`;
  if (!isError) silence = setTimeout(() => { said.textContent = ""; }, 8000);
}
said.addEventListener("click", () => { said.textContent = ""; });
// The name of this page is in sight among those of the others, which a phone is too narrow for.
document.querySelector("header.site [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

if (said.textContent) say(said.textContent, false);

// Forms that wait for their answer. Their buttons keep the focus, which one that is disabled loses.
const sending = new WeakSet();

async function send(form, button) {
  if (sending.has(form)) return;
  sending.add(form);
  said.textContent = "";
  const fields = new URLSearchParams(new FormData(form, button));
  button?.setAttribute("aria-disabled", "true");
  try {
    const answer = await fetch((button && button.hasAttribute("formaction")) ? button.formAction : form.action, {
      method: "POST", body: fields, headers: { Accept: "application/json" }, redirect: "error",
    });
    if (answer.status === 401) { location.reload(); return; }
    const found = await answer.json();
    say(found.error || found.done, Boolean(found.error));
    // A page that is not live is loaded again, so that it shows what is true now.
    if (!found.error && !live) location.replace(found.page);
    else if (!found.error) { form.reset(); close(form.closest("details.sure")); release(); }
  } catch (error) {
    say("The dashboard does not answer, so nothing is known to have been done; look before you try again.", true);
  } finally {
    sending.delete(form);
    button?.removeAttribute("aria-disabled");
  }
}

// Closes what was opened to confirm an act; what opened it gets the focus.
function close(sure) {
  if (!sure) return;
  sure.open = false;
  sure.firstElementChild.focus();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.hasAttribute("data-stay")) return;
  event.preventDefault();
  send(form, event.submitter);
});

document.addEventListener("keydown", (event) => {
  const form = event.target.closest?.("form[data-send]");
  if (form && event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});

// Parts of the page that are loaded when they are opened.
document.addEventListener("toggle", async (event) => {
  const details = event.target;
  if (!details.open || !details.dataset.load) return;
  const answer = await fetch(details.dataset.load);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const part = page.getElementById("part");
  if (part) details.lastElementChild.replaceWith(part);
}, true);
