// What a reader cannot see or read of the page, as a list of sentences.
(() => {
  const faults = [], root = document.documentElement;
  const named = e => (e.tagName + " " + e.textContent.trim().slice(0, 40)).toLowerCase();
  if (root.scrollWidth > innerWidth) faults.push(`the page is ${root.scrollWidth} px wide in a window of ${innerWidth}`);
  document.querySelectorAll("figure svg text").forEach(text => {
    const scale = text.getScreenCTM(), size = parseFloat(getComputedStyle(text).fontSize) * Math.hypot(scale.a, scale.b);
    if (size < 11) faults.push(`${named(text)}: too small, ${size.toFixed(1)} px`);
    const own = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect();
    if (own.left < frame.left - 1 || own.right > frame.right + 1 || own.bottom > frame.bottom + 1) faults.push(`${named(text)}: outside its figure`);
  });
  document.querySelectorAll("body *:not(svg *)").forEach(e => {
    const style = getComputedStyle(e), wide = e.scrollWidth > e.clientWidth + 1, high = e.scrollHeight > e.clientHeight + 1;
    if (style.display === "inline" || e.clientWidth === 0 || e.closest(".plot, .skip")) return;
    if (["hidden", "clip"].includes(style.overflowX) && (wide || high)) faults.push(`${named(e)}: clipped`);
    if (e.matches(".scroll") && (wide || high) && !e.previousElementSibling?.matches(".more:not([hidden])")) faults.push(`${named(e)}: scrolls without a hint`);
  });
  return faults;
})()
