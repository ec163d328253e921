// Where a page is shown in a frame without rights, as by MLflow, links neither move nor open anything: this does.
(() => {
  "use strict";
  const reveal = (id) => {
    const target = id && document.getElementById(id);
    if (!target) return false;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
    return true;
  };
  const show = (link) => {
    const box = document.getElementById("address");
    box.hidden = false;
    const field = box.querySelector("input");
    field.value = link.target ? link.href : link.getAttribute("href");
    box.querySelector("span").textContent = link.target
      ? "This view opens no other page. The address, to copy:"
      : "A file beside this report, among the artifacts of its run:";
    field.select();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link) {
      if (event.target.closest("#address button")) document.getElementById("address").hidden = true;
      return;
    }
    const written = link.getAttribute("href");
    if (written.startsWith("#")) {
      if (reveal(decodeURIComponent(written.slice(1)))) {
        event.preventDefault();
        try { history.replaceState(null, "", written); } catch { /* a frame without rights has no history */ }
      }
    } else if (window.origin === "null" && window.self !== window.top) {
      event.preventDefault();
      show(link);
    }
  });
  window.addEventListener("beforeprint", () => {
    for (const rule of document.querySelectorAll('details[id^="claim-"]')) rule.open = true;
  });
  window.addEventListener("hashchange", () => reveal(decodeURIComponent(location.hash.slice(1))));
  window.addEventListener("DOMContentLoaded", () => reveal(decodeURIComponent(location.hash.slice(1))));
  document.addEventListener("toggle", (event) => {
    if (!event.target.open || !window.Plotly) return;
    for (const plot of event.target.querySelectorAll(".js-plotly-plot")) window.Plotly.Plots.resize(plot);
  }, true);
})();
