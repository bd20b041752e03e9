"use strict";

const [key, token, asked, wanted, suggestions, chosen, said, results, run] =
  ["key", "token", "asked", "wanted", "suggestions", "chosen", "said", "results", "run"].map((id) => document.getElementById(id));
const liked = []; // titles, the latest last
const asking = {}; // what is under way, by path: a newer question ends an older one
let offered = [];
let active = -1;
let timer = 0;

function made(tag, text, properties = {}) {
  const found = Object.assign(document.createElement(tag), properties);
  found.textContent = text; // a title is text, whatever it looks like
  return found;
}

function say(text, bad = false) {
  said.textContent = text;
  said.classList.toggle("bad", bad);
}

async function ask(path, query, body) {
  asking[path]?.abort();
  const { signal } = (asking[path] = new AbortController());
  const headers = { "Content-Type": "application/json" };
  const secret = sessionStorage.getItem("token");
  if (secret) headers.Authorization = `Bearer ${secret}`;
  try {
    const response = await fetch(path + query, body ? { method: "POST", headers, signal, body: JSON.stringify(body) } : { headers, signal });
    const answer = await response.json();
    if (response.ok) return answer;
    if (response.status === 401) askForToken();
    say(`${answer.error}. ${answer.hint}`, true);
  } catch (error) {
    if (error.name !== "AbortError") say("The server does not answer.", true);
  }
  return null;
}

function askForToken() {
  sessionStorage.removeItem("token");
  key.hidden = false;
  asked.hidden = true;
  token.focus();
}

async function recommend() {
  say("…");
  const answer = await ask("recommend", "", { history: liked, k: 10, explain: true });
  if (!answer) return;
  key.hidden = true;
  asked.hidden = false;
  run.textContent = answer.run;
  say(liked.length ? `${answer.items.length} recommendations` : "To somebody of whom nothing is known:");
  results.replaceChildren(...answer.items.map(recommended));
}

function recommended(item) {
  const line = made("li", "");
  const figure = item.probability === null ? item.score.toFixed(3) : `yes ${item.probability.toFixed(2)}`;
  line.append(made("span", item.title, { className: "title" }), made("span", figure, { className: "figure" }));
  const near = item.reason.near.slice(0, 1).map((one) => `near ${one.title} (${one.likeness.toFixed(2)})`);
  if (near.length) line.append(made("span", near[0], { className: "near" }));
  return line;
}

function choose(title) {
  liked.push(title);
  wanted.value = "";
  offer([]);
  showLiked();
}

function showLiked() {
  chosen.replaceChildren(...liked.map((title, place) => {
    const line = made("li", "");
    const chip = made("button", title, { type: "button", ariaLabel: `Remove ${title}` });
    chip.addEventListener("click", () => { liked.splice(place, 1); showLiked(); wanted.focus(); });
    line.append(chip);
    return line;
  }));
  recommend();
}

function offer(titles) {
  offered = titles;
  suggestions.replaceChildren(...titles.map((title, place) => {
    const line = made("li", title, { id: `suggestion-${place}`, role: "option" });
    line.addEventListener("mousedown", (event) => { event.preventDefault(); choose(title); });
    return line;
  }));
  suggestions.hidden = !titles.length;
  wanted.ariaExpanded = String(titles.length > 0);
  point(titles.length ? 0 : -1);
}

function point(place) {
  active = place;
  [...suggestions.children].forEach((line, number) => { line.ariaSelected = String(number === place); });
  const line = suggestions.children[place];
  if (line) {
    wanted.setAttribute("aria-activedescendant", line.id);
    line.scrollIntoView({ block: "nearest" });
  } else {
    wanted.removeAttribute("aria-activedescendant");
  }
}

async function search() {
  const text = wanted.value.trim();
  const answer = text && await ask("items", `?count=8&q=${encodeURIComponent(text)}`);
  if (text !== wanted.value.trim()) return; // typed on, or chosen
  const titles = answer ? answer.items.map((item) => item.title) : [];
  offer([...new Set(titles)]);
  if (answer && !titles.length) say("No title is like that.");
}

wanted.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(search, 120);
});
wanted.addEventListener("blur", () => offer([]));
wanted.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && offered.length) {
    event.preventDefault();
    point((active + step + offered.length) % offered.length);
  } else if (event.key === "Enter" && active >= 0) {
    choose(offered[active]);
  } else if (event.key === "Enter") {
    clearTimeout(timer);
    search();
  } else if (event.key === "Escape") {
    offer([]);
  } else if (event.key === "Backspace" && !wanted.value && liked.length) {
    liked.pop();
    showLiked();
  }
});
key.addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("token", token.value);
  token.value = "";
  recommend();
});

recommend();
wanted.focus();
