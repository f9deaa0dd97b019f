"use strict";
// One player at a time; Space stops and goes on, ← and → seek, n and p go to the next and the previous dialogue.
(() => {
  const players = () => [...document.querySelectorAll("audio")].filter((a) => a.offsetParent !== null);
  let last = null;
  document.addEventListener("play", (event) => {
    if (event.target.paused) return; // a key has come before this event, and stopped it: another one may play by now
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
    last = event.target;
  }, true);
  document.addEventListener("ended", (event) => {
    const card = event.target.closest(".dialogue");
    if (!card) return;
    const own = [...card.querySelectorAll("audio")];
    const next = own[own.indexOf(event.target) + 1];
    if (next) play(next);
  }, true);
  // A browser has a few dozen players at once and refuses more, so speech that is inside the page is given to those
  // players alone that are in view.
  const speech = new Map();
  const wake = (audio) => {
    if (speech.has(audio) && !audio.hasAttribute("src")) audio.src = speech.get(audio);
  };
  const sleep = (audio) => {
    if (audio === last || !audio.paused) return;
    audio.removeAttribute("src");
    audio.load();
  };
  if ("IntersectionObserver" in window) {
    const inView = new IntersectionObserver((entries) => {
      for (const entry of entries) (entry.isIntersecting ? wake : sleep)(entry.target);
    }, { rootMargin: "300px" });
    for (const audio of document.querySelectorAll('audio[src^="data:"]')) {
      speech.set(audio, audio.getAttribute("src"));
      audio.preload = "metadata";
      inView.observe(audio);
    }
  }
  const play = (audio) => {
    wake(audio);
    audio.play();
  };
  const typing = (target) => target.closest("input, textarea, select, button, summary, a, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    if (event.target.closest("audio") && event.key !== "n" && event.key !== "p") return; // the player's own keys
    const all = players();
    if (!all.length) return;
    const at = all.indexOf(last);
    if (event.key === " " && at >= 0) {
      if (last.paused) play(last); else last.pause();
    } else if (event.key === "ArrowRight" && at >= 0) {
      last.currentTime = Math.min(last.duration || 0, last.currentTime + 2);
    } else if (event.key === "ArrowLeft" && at >= 0) {
      last.currentTime = Math.max(0, last.currentTime - 2);
    } else if (event.key === "n" || event.key === "p") {
      const cards = [...new Set(all.map((a) => a.closest(".dialogue")).filter(Boolean))];
      const here = last ? cards.indexOf(last.closest(".dialogue")) : -1;
      const card = cards[event.key === "n" ? here + 1 : here - 1];
      if (!card) return;
      card.scrollIntoView({ block: "center" });
      play(card.querySelector("audio"));
    } else {
      return;
    }
    event.preventDefault();
  });
})();
