// The review: verdicts are kept by the browser after every key, and saved as a file that kesc review --import reads.
(() => {
  const page = document.querySelector(".page");
  const cards = [...document.querySelectorAll(".card")];
  const told = document.getElementById("told");
  const { sample, annotator, part, parts } = page.dataset;
  const key = `kesc-review ${sample} ${annotator} ${part}`;
  const byId = new Map(cards.map((card) => [card.dataset.id, card]));
  let at = -1;
  let state = { copy: [...crypto.getRandomValues(new Uint8Array(12))].map((n) => n.toString(16).padStart(2, "0")).join(""), items: {} };

  // Players that are out of sight lose their source (page.js): a browser has a few dozen at once.
  const sources = new Map([...document.querySelectorAll("audio")].map((audio) => [audio, audio.getAttribute("src")]));
  const play = (audio) => {
    if (!audio.hasAttribute("src")) audio.src = sources.get(audio);
    audio.play();
  };

  const tell = (text) => { told.textContent = text; };

  function keep() {
    try {
      localStorage.setItem(key, JSON.stringify(state));
    } catch {
      document.getElementById("kept").hidden = false;
    }
  }

  function remember() {
    try {
      const kept = JSON.parse(localStorage.getItem(key) || "null");
      if (kept && kept.copy && kept.items) state = kept;
      keep();
    } catch {
      document.getElementById("kept").hidden = false;
    }
  }

  const item = (card) => (state.items[card.dataset.id] ??= { verdict: null, reasons: [], comment: "" });

  function show(card) {
    const { verdict, reasons, comment } = item(card);
    card.dataset.verdict = verdict || "";
    for (const input of card.querySelectorAll("[data-verdict]")) input.checked = input.value === verdict;
    for (const input of card.querySelectorAll(".reasons input")) input.checked = reasons.includes(input.value);
    const area = card.querySelector("textarea");
    if (area.value !== comment) area.value = comment;
  }

  function count() {
    const done = cards.filter((card) => item(card).verdict).length;
    document.getElementById("done").value = done;
    document.getElementById("count").textContent = `${done} of ${cards.length}`;
    return done;
  }

  function choose(k) {
    if (k < 0 || k >= cards.length) return;
    if (at >= 0) cards[at].classList.remove("chosen");
    at = k;
    cards[at].classList.add("chosen");
    cards[at].focus({ preventScroll: true });
    cards[at].scrollIntoView({ block: "start" });
  }

  function judge(card, verdict) {
    item(card).verdict = verdict;
    show(card);
    keep();
    const done = count();
    tell(`${verdict}: dialogue ${cards.indexOf(card) + 1}${done === cards.length ? ". That was the last one: save now." : ""}`);
  }

  function toggle(card, input) {
    const { reasons } = item(card);
    const place = reasons.indexOf(input.value);
    if (place < 0) reasons.push(input.value);
    else reasons.splice(place, 1);
    show(card);
    keep();
  }

  function save() {
    const items = cards.filter((card) => item(card).verdict).map((card) => {
      return { id: card.dataset.id, audio: card.dataset.audio, ...item(card) };
    });
    if (!items.length) return tell("Nothing is judged yet, so there is nothing to save.");
    const file = { kind: "kesc-review", version: 1, sample, annotator, copy: state.copy, saved: new Date().toISOString(), items };
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([JSON.stringify(file, null, 1)], { type: "application/json" }));
    link.download = `${annotator}-${sample}${Number(parts) > 1 ? `-${part}` : ""}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
    tell(`${items.length} of ${cards.length} verdicts saved as ${link.download}: send that file back.`);
  }

  async function load(file) {
    try {
      const saved = JSON.parse(await file.text());
      if (saved.kind !== "kesc-review" || saved.sample !== sample || saved.annotator !== annotator)
        throw new Error("it was saved by another page");
      for (const { id, verdict, reasons, comment } of saved.items)
        if (byId.has(id)) state.items[id] = { verdict, reasons, comment };
      state.copy = saved.copy;
      keep();
      cards.forEach(show);
      tell(`${count()} of ${cards.length} are judged.`);
    } catch (error) {
      tell(`${file.name} cannot be read: ${error.message}`);
    }
  }

  const VERDICTS = { a: "accept", r: "reject", u: "unsure" };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("textarea")) {
      if (event.key === "Escape") choose(cards.indexOf(event.target.closest(".card")));
      return;
    }
    const card = cards[at];
    if (event.key === "j") choose(at + 1);
    else if (event.key === "k") choose(at - 1);
    else if (event.key === "s") save();
    else if (card && event.key in VERDICTS) {
      judge(card, VERDICTS[event.key]);
      if (event.key === "a") choose(at + 1); // a rejected one has reasons still to be given
    } else if (card && event.key >= "1" && event.key <= "8") {
      toggle(card, card.querySelectorAll(".reasons input")[Number(event.key) - 1]);
    } else if (card && event.key === "c") card.querySelector("textarea").focus();
    else if (card && event.key === " " && !event.target.closest("button, input, audio, summary")) playOrPause(card);
    else return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);

  function playOrPause(card) {
    const turns = [...card.querySelectorAll("audio")];
    const started = turns.find((audio) => !audio.paused);
    if (started) started.pause();
    else play(turns.find((audio) => audio.currentTime > 0 && !audio.ended) || turns[0]);
  }

  document.addEventListener("ended", (event) => {
    const turns = [...event.target.closest(".card").querySelectorAll("audio")];
    const next = turns[turns.indexOf(event.target) + 1];
    if (next) play(next);
  }, true);
  document.addEventListener("change", (event) => {
    const card = event.target.closest(".card");
    if (event.target.id === "load" && event.target.files.length) load(event.target.files[0]);
    else if (card && event.target.dataset.verdict) judge(card, event.target.value);
    else if (card && event.target.type === "checkbox") toggle(card, event.target);
  });
  document.addEventListener("input", (event) => {
    if (event.target.tagName !== "TEXTAREA") return;
    item(event.target.closest(".card")).comment = event.target.value;
    keep();
  });
  document.addEventListener("focusin", (event) => {
    const card = event.target.closest(".card");
    if (card && cards[at] !== card) {
      if (at >= 0) cards[at].classList.remove("chosen");
      at = cards.indexOf(card);
      card.classList.add("chosen");
    }
  });
  document.getElementById("save").addEventListener("click", save);

  remember();
  cards.forEach(show);
  count();
})();
