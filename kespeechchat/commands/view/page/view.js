"use strict";
// Listening through: one take at a time is chosen; keys move, play and mark.
const takes = [...document.querySelectorAll(".take")];
const told = document.getElementById("told");
const keys = document.getElementById("keys");
let at = -1;
let playing = null; // {turns, k}: the turns that are played one after the other

function tell(text) {
  told.textContent = text;
}

function choose(k) {
  if (at >= 0) takes[at].classList.remove("chosen");
  at = k;
  takes[at].classList.add("chosen");
  takes[at].focus({ preventScroll: true });
  takes[at].scrollIntoView({ block: "nearest" });
}

function stop() {
  playing = null;
  for (const audio of document.querySelectorAll("audio")) audio.pause();
}

function start(audio, from = 0) {
  audio.currentTime = from;
  audio.play().catch((error) => {
    if (error.name === "NotAllowedError") tell("Press Space to play: the browser wants a key or a click first.");
    else if (error.name !== "AbortError") tell(`Cannot play: ${error.message}`);
  });
}

function playAll() {
  stop();
  if (at < 0) choose(0);
  const turns = [...takes[at].querySelectorAll("audio")];
  if (!turns.length) return tell("There is no speech of this row.");
  playing = { turns, k: 0 };
  tell(`Playing ${takes[at].dataset.id}`);
  start(turns[0]);
}

function pauseOrPlay() {
  const audio = playing && playing.turns[playing.k];
  if (!audio) playAll();
  else if (audio.paused) start(audio, audio.currentTime);
  else audio.pause();
}

function move(step) {
  const next = at + step;
  if (next >= 0 && next < takes.length) {
    choose(next);
    return playAll();
  }
  const link = document.querySelector(step > 0 ? 'a[rel="next"]' : 'a[rel="prev"]');
  if (link) location.assign(`${link.href}#${step > 0 ? "first" : "last"}`);
  else tell(step > 0 ? "This is the last one." : "This is the first one.");
}

async function mark(take) {
  const button = take.querySelector(".mark");
  const marked = button.getAttribute("aria-pressed") !== "true";
  const body = JSON.stringify({ id: take.dataset.id, round: Number(take.dataset.round), marked });
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("marks", { method: "POST", headers, body });
    if (!answer.ok) throw new Error(`the server said ${answer.status}`);
    button.setAttribute("aria-pressed", String(marked));
    tell(marked ? "Marked" : "Mark removed");
  } catch (error) {
    tell(`Not marked: ${error.message}. Is kesc view still running?`);
  }
}

function seek(seconds) {
  const audio = playing && playing.turns[playing.k];
  if (audio) audio.currentTime = Math.min(audio.duration || 0, Math.max(0, audio.currentTime + seconds));
}

const ACTIONS = {
  n: () => move(1),
  p: () => move(-1),
  a: playAll,
  " ": pauseOrPlay,
  ArrowLeft: () => seek(-2),
  ArrowRight: () => seek(2),
  m: () => (at >= 0 ? mark(takes[at]) : tell("Choose a dialogue first: n goes to the next one.")),
  o: () => {
    const link = at >= 0 && takes[at].querySelector("h2 a");
    if (link) location.assign(link.href);
  },
  "/": () => document.querySelector('input[name="text"]')?.focus(),
  "?": () => keys.showModal(),
};
const OWN = { " ": "a, button, audio, summary", ArrowLeft: "audio", ArrowRight: "audio" }; // who wants the key for itself

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const action = ACTIONS[event.key];
  if (!action || (OWN[event.key] && event.target.closest(OWN[event.key]))) return;
  event.preventDefault();
  action();
});

document.addEventListener("click", (event) => {
  const take = event.target.closest(".take");
  if (take && takes[at] !== take && !event.target.closest("a, audio, summary")) choose(takes.indexOf(take));
  if (event.target.closest(".mark")) mark(take);
  if (event.target.id === "help") keys.showModal();
});

// An empty field is no filter, so it is no part of the address that is sent to a colleague.
document.querySelector("form.filters")?.addEventListener("formdata", (event) => {
  for (const [name, value] of [...event.formData]) if (!value) event.formData.delete(name);
});

for (const audio of document.querySelectorAll("audio")) {
  audio.addEventListener("ended", () => {
    if (playing && playing.turns[playing.k] === audio && ++playing.k < playing.turns.length)
      start(playing.turns[playing.k]);
    else if (playing && playing.k >= playing.turns.length) playing = null;
  });
  audio.addEventListener("play", () => {
    if (audio.paused) return; // a key has come before this event, and stopped it: another one may play by now
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    const take = audio.closest(".take");
    const turns = [...take.querySelectorAll("audio")];
    playing = { turns, k: turns.indexOf(audio) }; // a turn that was started by hand goes on with the next one too
  });
  audio.addEventListener("error", () => tell("This turn cannot be played: ROOT has no speech of it, or it is broken."));
}

if (takes.length && ["#first", "#last"].includes(location.hash)) {
  choose(location.hash === "#first" ? 0 : takes.length - 1);
  history.replaceState(null, "", location.pathname + location.search);
  playAll();
}
