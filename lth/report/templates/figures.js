// Unpacks Plotly's library, which is two thirds smaller this way, and draws the interactive figures of the page.
// Who waits for `window.drawn` finds them there.
window.drawn = (async () => {
  "use strict";
  const figures = [...document.querySelectorAll("script[data-figure]")];
  const place = (figure) => document.getElementById(figure.dataset.figure);
  try {
    const packed = Uint8Array.from(atob(document.getElementById("plotly-packed").textContent), (each) => each.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const library = document.createElement("script");
    library.textContent = await new Response(plain).text();
    document.head.append(library);
    for (const figure of figures) {
      const { data, layout } = JSON.parse(figure.textContent);
      await window.Plotly.newPlot(place(figure), data, layout, { responsive: true, displaylogo: false });
    }
  } catch (fault) {
    for (const figure of figures) place(figure).textContent = `This browser can't draw it (${fault.message}); those since 2023 can.`;
  }
})();
