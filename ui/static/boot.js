// Starts the UI. In a browser it needs the socket.io client first; the desktop app holds the connection itself.
const loadScript = (src) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = src;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${src} did not load`));
    document.head.append(script);
  });

const boot = document.getElementById("boot");
try {
  // Asked for at once, not only when ui.js has arrived.
  const wasm = fetch(new URL("./ui_bg.wasm", import.meta.url));
  const [ui] = await Promise.all([
    import("./ui.js"),
    "__TAURI__" in window ? undefined : loadScript(new URL("./socket.io.min.js", import.meta.url).href),
  ]);
  boot.remove();
  await ui.default({ module_or_path: wasm });
} catch (error) {
  console.error(error);
  boot.textContent = "Streamshare could not be loaded. Please reload the page; if that does not help, update the browser.";
  if (!boot.isConnected) document.body.append(boot);
}
