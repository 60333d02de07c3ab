"use strict";
(() => {
  const bars = [...document.querySelectorAll(".bar")].sort((a, b) => a.dataset.n - b.dataset.n);
  const panel = document.getElementById("details"), chart = document.getElementById("chart");
  let pinned = null, zoom = 1;
  const show = (bar) => {
    for (const other of document.querySelectorAll(".chosen")) other.classList.remove("chosen");
    if (!bar) return;
    bar.classList.add("chosen");
    document.getElementById("row" + bar.dataset.n)?.classList.add("chosen");
    panel.replaceChildren(document.getElementById("about" + bar.dataset.n).content.cloneNode(true));
  };
  const pin = (bar) => { pinned = bar; panel.classList.toggle("pinned", !!bar); show(bar); };
  for (const bar of bars) {
    bar.addEventListener("mouseenter", () => { if (!pinned) show(bar); });
    bar.addEventListener("focus", () => { if (!pinned) show(bar); });
    bar.addEventListener("click", () => pin(pinned === bar ? null : bar));
  }
  const scale = (by) => {
    const box = document.getElementById("scroll"), bar = document.querySelector(".bar.chosen");
    const middle = (box.scrollLeft + box.clientWidth / 2) / box.scrollWidth;
    zoom = Math.min(64, Math.max(1, zoom * by));
    chart.style.setProperty("--zoom", zoom);
    if (bar) bar.scrollIntoView({ inline: "center", block: "nearest" });
    else box.scrollLeft = middle * box.scrollWidth - box.clientWidth / 2;
  };
  document.getElementById("in").addEventListener("click", () => scale(2));
  document.getElementById("out").addEventListener("click", () => scale(0.5));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = bars.indexOf(document.activeElement);
    const go = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: bars.length - 1 }[event.key];
    if (go !== undefined && at >= 0) {
      bars[Math.min(bars.length - 1, Math.max(0, go))].focus();
      event.preventDefault();
    } else if (event.key === "+" || event.key === "=") scale(2);
    else if (event.key === "-") scale(0.5);
    else if (event.key === "Escape") pin(null);
  });
})();
