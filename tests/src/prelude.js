const $$ = (id) => [...document.querySelectorAll(`[data-testid="${id}"]`)];
const $ = (id) => $$(id)[0] ?? null;
const video = () => $("video");
const shown = (id) => $$(id).some((element) => element.getClientRects().length > 0);
const seconds = (id) => ($(id)?.dataset.seconds === undefined ? null : Number($(id).dataset.seconds));
const room = () => ({
  link: $("room")?.dataset.link ?? null,
  members: $$("member").map(({ dataset }) => ({ name: dataset.name, me: dataset.me === "true", state: dataset.state })),
  titles: $$("playlist-item").map((item) => item.dataset.title),
  current: $$("playlist-item").findIndex((item) => item.dataset.current === "true"),
  state: $("play-toggle")?.dataset.state ?? null,
  position: seconds("position"),
  duration: seconds("duration"),
  message: $("player-message") && { kind: $("player-message").dataset.kind, text: $("player-message").innerText },
  toasts: $$("toast").map((toast) => ({ kind: toast.dataset.kind, text: toast.innerText })),
  error: $("form-error")?.innerText ?? null,
  video: video() && {
    time: video().currentTime,
    width: video().videoWidth,
    height: video().videoHeight,
    paused: video().paused,
    ready: video().readyState,
  },
  at: Date.now(),
});
// The lines that the player shows now.
const lines = () => [...(video()?.textTracks ?? [])].filter(({ mode }) => mode === "showing")
  .flatMap(({ activeCues }) => [...(activeCues ?? [])]).map(({ text }) => text);
// Toasts go by themselves: this keeps what each of them said.
const hear = () => {
  window.heard ??= [];
  const note = ({ dataset, innerText }) => window.heard.push({ kind: dataset.kind, text: innerText });
  const toasts = (node) => (node.nodeType !== Node.ELEMENT_NODE ? []
    : [...(node.dataset.testid === "toast" ? [node] : []), ...node.querySelectorAll('[data-testid="toast"]')]);
  new MutationObserver((list) => list.flatMap(({ addedNodes }) => [...addedNodes]).flatMap(toasts).forEach(note))
    .observe(document.body, { childList: true, subtree: true });
};
const errors = () => window.heard.filter(({ kind }) => kind === "error").map(({ text }) => text);
