// Rings when the page asks for it. Browsers hold the timers of a page that is hidden back to one a second, but not those of
// its workers.
let timer;
onmessage = ({ data: [number, wait_ms] }) => {
  clearTimeout(timer);
  timer = setTimeout(() => postMessage(number), wait_ms);
};
