// Asks the API through the gateway that served this page.
"use strict";

function show(id, text) {
  document.getElementById(id).textContent = text;
}

async function ask(id, path) {
  try {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    show(id, answer.ok ? JSON.stringify(await answer.json()) : `answers ${answer.status}`);
  } catch (error) {
    show(id, `no answer: ${error.message}`);
  }
}

function listen(user) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/ws/dashboard/${encodeURIComponent(user)}`);
  socket.onopen = () => show("live", "connected");
  socket.onmessage = (event) => show("live", event.data);
  socket.onclose = () => {
    show("live", "disconnected");
    setTimeout(() => listen(user), 5000);
  };
}

ask("health", "/health");
ask("memory", "/api/memory/stats");
ask("graph", "/api/knowledge-graph/data");
listen(new URLSearchParams(location.search).get("user") || "guest");
