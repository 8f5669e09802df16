// Keeps the page current without losing what its reader is doing.
"use strict";

const PERIOD_MS = 1000;
const PARTS = ["now", "chat", "panel", "phones"];
const TITLE = document.title;
let tag = "";

function busy() {
  return document.hidden || document.querySelector("details[open], dialog[open]") !== null;
}

function toEnd() {
  const chat = document.getElementById("chat");
  if (chat) chat.scrollTop = chat.scrollHeight;
}

// As on a phone: a chat opens at the beginning of what is new, else at its end.
function toNews() {
  const chat = document.getElementById("chat");
  const last = chat?.querySelector("article:last-of-type");
  toEnd();
  if (last?.classList.contains("incoming") && last.offsetHeight > chat.clientHeight) {
    chat.scrollTop = last.offsetTop - chat.offsetTop - 8;
  }
}

function take(html) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of PARTS) {
    const old = document.getElementById(part);
    const now = fresh.getElementById(part);
    if (!old || !now || old.innerHTML === now.innerHTML) continue;
    const grown = now.querySelectorAll("article").length > old.querySelectorAll("article").length;
    old.innerHTML = now.innerHTML;
    if (part === "chat" && grown) toNews();
  }
}

async function refresh() {
  try {
    const answer = await fetch(location.pathname, { headers: tag ? { "If-None-Match": tag } : {} });
    document.title = TITLE;
    if (answer.status !== 200) return;
    tag = answer.headers.get("ETag") || "";
    take(await answer.text());
  } catch {
    document.title = "(terputus) " + TITLE;
  }
}

async function keepCurrent() {
  if (!busy()) await refresh();
  setTimeout(keepCurrent, PERIOD_MS);
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const content = new URLSearchParams(new FormData(form, event.submitter));
  for (const sheet of document.querySelectorAll("details[open]")) sheet.open = false;
  await fetch(form.action, { method: "POST", body: content });
  await refresh();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-opens]");
  const dialog = document.getElementById("opens");
  if (link && dialog) {
    event.preventDefault();
    for (const sheet of document.querySelectorAll("details[open]")) sheet.open = false;
    document.getElementById("opens-address").textContent = link.dataset.opens;
    document.getElementById("opens-yes").href = link.href;
    dialog.show();
  } else if (dialog?.open && (event.target.closest("#opens-no, #opens-yes") || !dialog.contains(event.target))) {
    dialog.close();
  } else if (!event.target.closest("details[open]")) {
    for (const sheet of document.querySelectorAll("details[open]")) sheet.open = false;
  }
});

toNews();
window.addEventListener("load", toNews);
setTimeout(keepCurrent, PERIOD_MS);
