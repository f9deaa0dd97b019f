"use strict";
// One player at a time; Space plays and stops, ← and → seek, n and p go to the next and the previous dialogue.
(() => {
  const players = () => [...document.querySelectorAll("audio")].filter((a) => a.offsetParent !== null);
  let last = null;
  document.addEventListener("play", (event) => {
    for (const other of document.querySelectorAll("audio")) if (other !== event.target) other.pause();
    last = event.target;
  }, true);
  document.addEventListener("ended", (event) => {
    const card = event.target.closest(".dialogue");
    if (!card) return;
    const own = [...card.querySelectorAll("audio")];
    const next = own[own.indexOf(event.target) + 1];
    if (next) next.play();
  }, true);
  const typing = (target) => target.closest("input, textarea, select, button, summary, a, audio, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const all = players();
    if (!all.length) return;
    const at = all.indexOf(last);
    if (event.key === " ") {
      const player = at < 0 ? all[0] : last;
      if (player.paused) player.play(); else player.pause();
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
      card.querySelector("audio").play();
    } else {
      return;
    }
    event.preventDefault();
  });
})();
